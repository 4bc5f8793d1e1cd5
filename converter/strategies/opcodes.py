"""Streams of pickle opcodes: sound ones, and ones in which anything may follow anything."""

from __future__ import annotations

import pickletools
import struct
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from converter.strategies.arguments import check_choice, check_count
from converter.strategies.operands import STOP, TRIPWIRE, integer, name, text

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

KINDS: Final[tuple[str, ...]] = ("benign", "arbitrary")
"""What `opcode_streams` makes."""

# Names that streams may look up: what torch writes, and one that exists nowhere.
_NAMES: Final = (
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch", "FloatStorage"),
    TRIPWIRE,
)
_WORDS: Final = st.sampled_from(["", "a", "storage", *(part for pair in _NAMES for part in pair)])
_NUMBERS: Final = st.integers(0, 3) | st.sampled_from([0xFF, 0xFFFF, 0xFFFFFFFF, 2**64 - 1])


def opcode_streams(*, kind: str | None = None, max_opcodes: int = 30) -> SearchStrategy[bytes]:
    """Generate pickle streams as bytes; PyTorch is not needed.

    ``benign``: each describes a value made of plain containers, numbers and texts, in the opcodes
    of any protocol from 0 to 5, mixed; it may recall what it stored. Any unpickler can load it.
    ``arbitrary``: opcodes of all kinds in any order, with operands that lie about their length,
    cut at any place. **Do not load these**: the names in them are harmless, but the indexes are
    not meant to be allocated.

    Examples shrink towards ``N.``, the stream of None, or towards no bytes at all.

    Args:
        kind: one of `KINDS`; None for either.
        max_opcodes: the most opcodes of an arbitrary stream.
    """
    return _streams(kind, max_opcodes)


@st.composite
def _streams(draw: DrawFn, kind: str | None, max_opcodes: int) -> bytes:
    check_count("max_opcodes", max_opcodes)
    if draw(st.sampled_from(check_choice("kind", kind, KINDS))) == "benign":
        body = draw(benign_values()) + STOP
        return draw(st.sampled_from([b"", b"\x80\x02", b"\x80\x04"])) + body
    parts = draw(st.lists(_operations(), max_size=max_opcodes))
    stream = b"".join(parts) + draw(st.sampled_from([STOP, b""]))
    if draw(st.booleans()):
        return stream[: draw(st.integers(0, len(stream)))]
    return stream


def benign_values() -> SearchStrategy[bytes]:
    """Generate the opcodes that push one value, and change nothing else but the memo."""
    return st.recursive(_atoms(), _containers, max_leaves=8)


def _atoms() -> SearchStrategy[bytes]:
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    return st.one_of(
        st.sampled_from([b"N", b"\x88", b"\x89", b"I01\n", b"]", b"}", b")"]),
        st.integers(0, 255).map(lambda value: b"K" + bytes([value])),
        st.integers(-(2**31), 2**31 - 1).map(lambda value: b"J" + struct.pack("<i", value)),
        st.integers(-(2**90), 2**90).map(integer),
        st.integers(-(2**90), 2**90).map(lambda value: b"L%dL\n" % value),
        st.binary(min_size=8, max_size=8).map(lambda bits: b"G" + bits),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda value: b"F%r\n" % value),
        texts.map(text),
        texts.map(lambda value: b"\x8c" + bytes([len(value.encode())]) + value.encode()),
        st.binary(max_size=4).map(lambda raw: b"C" + bytes([len(raw)]) + raw),
        st.binary(max_size=4).map(lambda raw: b"B" + struct.pack("<I", len(raw)) + raw),
    )


def _containers(inside: SearchStrategy[bytes]) -> SearchStrategy[bytes]:
    some = st.lists(inside, max_size=3)
    keys = st.text("abc", max_size=2).map(text) | st.integers(0, 9).map(integer)
    entries = st.lists(st.tuples(keys, inside).map(b"".join), max_size=3).map(b"".join)
    ordered = name("collections", "OrderedDict") + b")R"
    return st.one_of(
        some.map(lambda items: b"](" + b"".join(items) + b"e"),
        some.map(lambda items: b"(" + b"".join(items) + b"l"),
        some.map(lambda items: b"]" + b"".join(item + b"a" for item in items)),
        some.map(lambda items: b"(" + b"".join(items) + b"t"),
        inside.map(lambda item: item + b"\x85"),
        st.tuples(inside, inside).map(lambda pair: b"".join(pair) + b"\x86"),
        entries.map(lambda items: b"}(" + items + b"u"),
        entries.map(lambda items: b"(" + items + b"d"),
        entries.map(lambda items: ordered + b"(" + items + b"u"),
        # Stored, recalled, and one object in two places.
        inside.map(lambda item: item + b"q\x00h\x00\x86"),
        inside.map(lambda item: item + b"\x942\x86"),
        st.tuples(inside, inside).map(lambda pair: pair[0] + b"0" + pair[1]),
    )


@st.composite
def _operations(draw: DrawFn) -> bytes:
    """Generate one opcode of all there are, with an operand."""
    opcode = draw(st.sampled_from(pickletools.opcodes))
    code = opcode.code.encode("latin-1")
    if opcode.arg is None:
        return code
    return code + draw(_OPERANDS[opcode.arg.name])


def _lines(lines: SearchStrategy[str]) -> SearchStrategy[bytes]:
    return lines.map(lambda line: line.encode("utf-8", "surrogatepass") + b"\n")


def _fixed(layout: str) -> SearchStrategy[bytes]:
    width = struct.calcsize(layout)
    return _NUMBERS.map(lambda value: (value % 256**width).to_bytes(width, "little"))


def _counted(layout: str) -> SearchStrategy[bytes]:
    """Generate a length and as many bytes; sometimes the length is another."""
    width = struct.calcsize(layout)

    def joined(raw: bytes, lie: int | None) -> bytes:
        length = len(raw) if lie is None else lie % 256**width
        return length.to_bytes(width, "little") + raw

    contents = st.one_of(_WORDS.map(str.encode), st.binary(max_size=6))
    return st.builds(joined, contents, st.none() | _NUMBERS)


_DECIMALS: Final = st.one_of(
    st.integers(-3, 3).map(str), st.sampled_from(["", "00", "01", "1L", "1e5", "x", "9" * 30])
)
_PAIRS: Final = st.sampled_from(_NAMES).map(lambda pair: f"{pair[0]}\n{pair[1]}\n".encode())
_OPERANDS: Final[dict[str, SearchStrategy[bytes]]] = {
    "uint1": _fixed("B"),
    "uint2": _fixed("H"),
    "int4": _fixed("I"),
    "uint4": _fixed("I"),
    "uint8": _fixed("Q"),
    "float8": st.binary(min_size=8, max_size=8),
    "stringnl": _lines(_WORDS.map(lambda word: f"'{word}'") | st.sampled_from(["'", '"a', "a"])),
    "stringnl_noescape": _lines(_WORDS),
    "stringnl_noescape_pair": _PAIRS,
    "unicodestringnl": _lines(_WORDS | st.just("\\ud800")),
    "decimalnl_short": _lines(_DECIMALS),
    "decimalnl_long": _lines(_DECIMALS),
    "floatnl": _lines(_DECIMALS),
    **dict.fromkeys(("string1", "bytes1", "unicodestring1", "long1"), _counted("B")),
    **dict.fromkeys(("string4", "bytes4", "unicodestring4", "long4"), _counted("I")),
    **dict.fromkeys(("bytes8", "unicodestring8", "bytearray8"), _counted("Q")),
}

"""Writes pickles in which one value plays several parts, and others that are laid out alike.

What is a key may be the name of a module as well, a number a size and a step, a state a plain
dict. Nothing of it is ever loaded: `converter` reads it, and nobody else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from typing import TypeAlias

    Write: TypeAlias = Callable[["PickleWriter", int], bytes]

WORDS: Final = (
    *("", "a", "0", "k", "AAAA", "\0\0", "~", "cpu", "meta", "storage", "module", "latin1", "f4"),
    *("O", "|O", "1/2", "epoch", "note", "collections", "OrderedDict", "torch", "FloatStorage"),
    *("torch._utils", "_rebuild_tensor_v2", "_metadata", "__class__", "__setstate__", "items"),
    *("__reduce__", "os", "system", "builtins", "getattr", "range", "some words of a person"),
    *("/etc/passwd", "https://host/x", "q" * 300),
)  # fmt: skip
# Texts of which tensors, names and classes are made.
_PARTS: Final = (
    *("storage", "cpu", "0", "1", "torch", "FloatStorage", "collections", "OrderedDict", "f4"),
    *("torch._utils", "_rebuild_tensor_v2", "builtins", "latin1", "1/2"),
)
# Texts that may be more than that.
NOTABLE_WORDS: Final = (
    *("cos\nsystem\n(tR.", "(cos\nsystem\n", "gASVlgAAAAAAAAB9", "eJxrYJmaKAAABgQBlw=="),
    *("x\x9cdeflated", "PK\x03\x04words", "PK\x05\x06" + 18 * "\0", "H4sIAAAAAAAA"),
    *("\x80\x02}q\0.", "ustar" * 60, "größe"),
)
NUMBERS: Final = (0, 1, 2, 4, 5, 16, 63, 64, 127, 128, 255, 1000, 1001, 1127, 65535, 100_000)
_FLOATS: Final = (0.0, 0.5, 1.5, 63.5, 64.5, 127.5, 0.25, float("nan"), float("inf"))
_NUMERALS: Final = (b"0", b"5", b"64", b"1000")
_SAFE: Final = (
    *(("torch", "Size"), ("torch", "device"), ("builtins", "set"), ("builtins", "range")),
    *(("builtins", "complex"), ("builtins", "slice"), ("_codecs", "encode"), ("numpy", "dtype")),
    *(("fractions", "Fraction"), ("torch._utils", "_rebuild_parameter"), ("builtins", "bytearray")),
    *(("collections", "Counter"), ("collections", "defaultdict"), ("torch", "FloatTensor")),
    *(("torch._utils", "_rebuild_parameter_with_state"), ("torch", "Tensor")),
    *(("torch._tensor", "_rebuild_from_type_v2"), ("numpy._core.multiarray", "_reconstruct")),
)
_OTHERS: Final = (("os", "system"), ("own.package", "Class"), ("builtins", "getattr"))
_MOST_MEMO: Final = 200


class PickleWriter:
    """Writes one pickle, its choices made by a source of randomness."""

    def __init__(self, chance: random.Random, *, tame: bool) -> None:
        """Write nothing yet; if `tame`, nothing that a rule is sure to speak of."""
        self._chance: Final = chance
        self._tame: Final = tame
        self._memo = 0
        self._texts: dict[str, int] = {}

    def write(self) -> bytes:
        """Return a whole pickle: a dict, most of whose keys are texts."""
        body = b"}" + self._put() + b"("
        body += b"".join(self._key() + self._value(3) for _ in range(self._chance.randint(1, 5)))
        body += b"u."
        if self._chance.random() < 0.2:
            return b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body
        return self._chance.choice([b"\x80\x02", b"\x80\x02", b"\x80\x03", b"\x80\x05"]) + body

    def _put(self) -> bytes:
        if self._memo >= _MOST_MEMO or self._chance.random() < 0.3:
            return b""
        self._memo += 1
        return b"\x94" if self._chance.random() < 0.2 else b"q" + bytes([self._memo - 1])

    def _text(self, word: str | None = None) -> bytes:
        """Return the opcodes of a text, or of one that was written before."""
        if word is None:
            if self._texts and self._chance.random() < 0.3:
                word = self._chance.choice(sorted(self._texts))
            else:
                notable = self._chance.random() < (0.01 if self._tame else 0.1)
                word = self._chance.choice(NOTABLE_WORDS if notable else WORDS)
        known = self._texts.get(word)
        if known is not None and self._chance.random() < 0.7:
            return b"h" + bytes([known])
        raw = word.encode()
        form = self._chance.random()
        if form < 0.1 and "\n" not in word and word.isascii():
            opcodes = b"V" + raw + b"\n"
        elif form < 0.15:
            opcodes = b"\x8d" + struct.pack("<Q", len(raw)) + raw
        elif form < 0.4 and len(raw) < 256:
            opcodes = b"\x8c" + bytes([len(raw)]) + raw
        else:
            opcodes = b"X" + struct.pack("<I", len(raw)) + raw
        put = self._put()
        if put:
            self._texts[word] = self._memo - 1
        return opcodes + put

    def _key(self) -> bytes:
        """Return the opcodes of a key, which is often what something else is made of as well."""
        kind = self._chance.random()
        if kind < 0.4:
            return self._text(self._chance.choice(_PARTS))
        return self._text() if kind < 0.9 else self._number()

    def _number(self, value: int | None = None) -> bytes:
        value = self._chance.choice(NUMBERS) if value is None else value
        form = self._chance.random()
        if form < 0.1:
            raw = value.to_bytes(4, "little")
            return self._chance.choice([b"\x8a\4", b"\x8b\4\0\0\0"]) + raw
        if form < 0.15:
            return b"I" + self._chance.choice(_NUMERALS) + b"\n"
        if value < 256 and form < 0.7:
            return b"K" + bytes([value])
        if value < 65536 and form < 0.9:
            return b"M" + struct.pack("<H", value)
        return b"J" + struct.pack("<i", value)

    def _value(self, depth: int) -> bytes:
        deep = self._CONTAINERS if depth > 0 else ()
        write = self._chance.choice([*self._ATOMS, *deep])
        return write(self, depth - 1)

    def _values(self, depth: int, most: int = 3) -> bytes:
        return b"".join(self._value(depth) for _ in range(self._chance.randint(0, most)))

    def _pairs(self, depth: int) -> bytes:
        count = self._chance.randint(0, 3)
        return b"".join(self._key() + self._value(depth) for _ in range(count))

    def _name(self, module: str, name: str) -> bytes:
        if self._chance.random() < 0.6:
            opcodes = f"c{module}\n{name}\n".encode()
        else:
            opcodes = self._text(module) + self._text(name) + b"\x93"
        # What is recalled as a value is a finding, where it is the name of a function.
        return opcodes if self._tame and self._chance.random() < 0.9 else opcodes + self._put()

    def _float(self, _: int) -> bytes:
        return b"G" + struct.pack(">d", self._chance.choice(_FLOATS))

    def _constant(self, _: int) -> bytes:
        return self._chance.choice([b"N", b"\x88", b"\x89", b")", b"C\3abc", b"U\3abc"])

    def _dict(self, depth: int) -> bytes:
        return b"}" + self._put() + b"(" + self._pairs(depth) + b"u"

    def _list(self, depth: int) -> bytes:
        return b"]" + self._put() + b"(" + self._values(depth) + b"e"

    def _tuple(self, depth: int) -> bytes:
        return b"(" + self._values(depth) + b"t" + self._put()

    def _set(self, depth: int) -> bytes:
        if self._chance.random() < 0.5:
            return b"\x8f(" + self._values(depth) + b"\x90"
        return b"(" + self._values(depth) + b"\x91"

    def _dropped(self, depth: int) -> bytes:
        return self._value(depth) + b"0" + self._value(depth)

    def _doubled(self, depth: int) -> bytes:
        return self._value(depth) + b"2\x86"

    def _recalled(self, _: int) -> bytes:
        if not self._memo:
            return b"N"
        return b"h" + bytes([self._chance.randrange(self._memo)])

    def _ordered(self, depth: int) -> bytes:
        made = self._name("collections", "OrderedDict") + b")R" + self._put()
        filled = made + b"(" + self._pairs(depth) + b"u"
        return filled + self._state(depth) if self._chance.random() < 0.3 else filled

    def _state(self, depth: int) -> bytes:
        state = self._chance.choice([self._dict, self._ordered, self._tuple, self._recalled])
        return state(depth - 1) + b"b" if depth > 0 else b"}b"

    def _storage(self, _: int) -> bytes:
        opcodes = b"(" + self._text("storage")
        opcodes += self._name("torch", self._chance.choice(["FloatStorage", "LongStorage"]))
        opcodes += self._text(self._chance.choice(["0", "1"])) + self._text("cpu")
        return opcodes + self._number(4) + b"tQ"

    def _tensor(self, depth: int) -> bytes:
        opcodes = self._name("torch._utils", "_rebuild_tensor_v2") + b"(" + self._storage(0)
        opcodes += self._number(0) + self._number(2) + b"\x85" + self._number(1) + b"\x85\x89"
        hooks = self._ordered(depth - 1) if depth > 0 else b"ccollections\nOrderedDict\n)R"
        return opcodes + hooks + b"tR" + self._put()

    def _call(self, depth: int) -> bytes:
        tame = self._tame or self._chance.random() < 0.8
        module, name = self._chance.choice(_SAFE if tame else _OTHERS)
        func = self._name(module, name)
        if self._tame and self._chance.random() < 0.95:
            call = func + self._usual_args(name) + b"R"
        elif self._chance.random() < 0.8:
            call = func + self._tuple(depth) + self._chance.choice([b"R", b"R", b"\x81"])
        else:
            call = b"(" + func + self._values(depth) + b"o"
        call += self._put()
        odd = 0.01 if self._tame else 0.2
        if self._chance.random() < odd:
            call += self._state(depth)
        if self._chance.random() < odd:
            call += b"(" + self._pairs(depth) + b"u"
        if self._chance.random() < odd:
            call += b"(" + self._values(depth) + b"e"
        return call

    def _usual_args(self, name: str) -> bytes:
        """Return arguments that nothing is said about."""
        write = self._USUAL_ARGS.get(name)
        return self._number() + b"\x85" if write is None else write(self)

    def _device(self) -> bytes:
        return self._text("cpu") + b"\x85"

    def _fraction(self) -> bytes:
        return self._text("1/2") + b"\x85"

    def _encoded(self) -> bytes:
        return self._text() + self._text("latin1") + b"\x86"

    def _dtype(self) -> bytes:
        return self._text("f4") + b"\x89\x88\x87"

    def _size(self) -> bytes:
        return self._tuple(0) + b"\x85"

    def _counted(self) -> bytes:
        return self._dict(0) + b"\x85"

    def _factory(self) -> bytes:
        return self._name("builtins", "list") + b"\x85"

    def _array(self) -> bytes:
        return b"cnumpy\nndarray\n" + self._number() + b"\x85C\1b\x87"

    def _parameter(self) -> bytes:
        return self._tensor(0) + b"\x88" + self._ordered(0) + b"\x87"

    def _parameter_with_state(self) -> bytes:
        return b"(" + self._tensor(0) + b"\x88" + self._ordered(0) + self._dict(0) + b"t"

    def _typed(self) -> bytes:
        opcodes = b"(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n("
        opcodes += self._storage(0) + b"K\0K\2\x85K\1\x85\x89}t"
        return opcodes + self._dict(0) + b"t"

    def _any_text(self, _: int) -> bytes:
        return self._text()

    def _any_number(self, _: int) -> bytes:
        return self._number()

    _ATOMS: Final[tuple[Write, ...]] = (
        *(_any_text, _any_number) * 4,
        _float,
        _constant,
        _recalled,
    )
    _CONTAINERS: Final[tuple[Write, ...]] = (
        *(_dict, _list, _tuple, _set, _dropped, _doubled, _ordered),
        *(_storage, _tensor, _tensor, _call, _call),
    )
    _USUAL_ARGS: Final[dict[str, Callable[[PickleWriter], bytes]]] = {
        "device": _device,
        "Fraction": _fraction,
        "encode": _encoded,
        "dtype": _dtype,
        "Size": _size,
        "Counter": _counted,
        "defaultdict": _factory,
        "_reconstruct": _array,
        "_rebuild_parameter": _parameter,
        "_rebuild_parameter_with_state": _parameter_with_state,
        "_rebuild_from_type_v2": _typed,
    }

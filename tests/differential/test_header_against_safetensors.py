"""The verifier's header decoder against the safetensors library, on headers that are nearly right.

Known divergences, all of them ours to be stricter (the docstring of
`converter.verification.header` lists them): keys twice in one object, white space around the
object, ``"__metadata__": null``, a tensor described by an array, a dtype given as an object.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME
from converter.errors import FormatError
from converter.verification.header import BITS, read_header
from converter.verification.verifier import ExpectedTensor, verify_output

HUGE = [2**31, 2**32, 2**63, 2**64 - 1, 2**64, 2**65, 10**30]


def theirs(raw: bytes) -> dict[str, Any] | None:
    try:
        return dict(safetensors.deserialize(raw))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError:
        return None


def ours(raw: bytes) -> dict[str, Any] | str:
    try:
        header = read_header(MemorySource(raw, "f"))
    except FormatError as error:
        return error.what
    return {
        name: {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data": bytearray(raw[tensor.start : tensor.stop]),
        }
        for name, tensor in header.tensors.items()
    }


def has_repeated_key(text: bytes) -> bool:
    repeated = []

    def note(pairs: list[tuple[str, object]]) -> dict[str, object]:
        repeated.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return any(repeated)


def is_excused(what: str, text: bytes) -> bool:
    """Whether a refusal that the library does not share is one of the documented ones."""
    parsed = json.loads(text)
    entries = [entry for name, entry in parsed.items() if name != "__metadata__"]
    excuses = {
        "key twice in one object of the header": has_repeated_key(text),
        "metadata is no object": parsed.get("__metadata__", {}) is None,
        "tensor is no object": any(isinstance(entry, list) for entry in entries),
        "tensor of an unknown dtype": any(
            isinstance(entry, dict) and isinstance(entry.get("dtype"), dict) for entry in entries
        ),
        "header is no JSON object": text[:1] in b" \t\r\n",
        "header goes on after its object": text[-1:] in b" \t\r\n",
    }
    return excuses.get(what, False)


def check(text: bytes, data: bytes) -> None:
    raw = len(text).to_bytes(8, "little") + text + data
    found, wanted = ours(raw), theirs(raw)
    if isinstance(found, str):
        assert wanted is None or is_excused(found, text), (found, wanted)
    else:
        assert found == wanted


NAMES = st.sampled_from(["a", "b", "", "__metadata__", "\x00", "é", "😀", "x" * 50])
NUMBERS = st.one_of(
    st.integers(-2, 40), st.sampled_from([*HUGE, -0.0, 1.0, 1e300, True, None, "1"])
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[dict[str, object], bytes]:
    """A header that is right, over its data."""
    header: dict[str, object] = {}
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.dictionaries(NAMES, st.text(max_size=3), max_size=2))
    position = 0
    for name in draw(
        st.lists(st.sampled_from(["a", "b", "", "é", "weight-0"]), unique=True, max_size=3)
    ):
        dtype = draw(st.sampled_from(sorted(BITS)))
        shape = draw(st.lists(st.sampled_from([0, 1, 2, 4, 8]), max_size=3))
        bits = BITS[dtype]
        for size in shape:
            bits *= size
        stop = position + bits // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, stop]}
        position = stop
    return header, bytes(position)


@given(entries())
def test_right_headers(entry: tuple[dict[str, object], bytes]) -> None:
    header, data = entry
    for text in (
        json.dumps(header),
        json.dumps(header, ensure_ascii=False),
        json.dumps(header, indent=1),
    ):
        check(text.encode(), data)


@given(entries(), st.data())
def test_headers_with_another_value(
    entry: tuple[dict[str, object], bytes], chosen: st.DataObject
) -> None:
    header, data = entry
    names = sorted(header)
    if not names:
        return
    name = chosen.draw(st.sampled_from(names))
    value = chosen.draw(
        st.recursive(
            NUMBERS,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
            max_leaves=6,
        )
    )
    field = chosen.draw(st.sampled_from(["dtype", "shape", "data_offsets", "more", None]))
    inner = header[name]
    assert isinstance(inner, dict)
    if field is None:
        header[name] = value
    elif (
        chosen.draw(st.booleans())
        and field in inner
        and isinstance(inner[field], list)
        and inner[field]
    ):
        at = chosen.draw(st.integers(0, len(inner[field]) - 1))
        inner[field][at] = value
    else:
        inner[field] = value
    check(json.dumps(header).encode(), data)


GOOD = (
    b'{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},'
    b'"b-0":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}'
)


@settings(max_examples=500)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(GOOD)),
            st.integers(0, 2),
            st.sampled_from(
                [
                    b"",
                    *(bytes([c]) for c in b'"{}[],:019-+.eE\\u \t\nx\x00\x7f\xff'),
                    b"\\ud800",
                    b"1e999",
                    b"-0",
                ]
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
@example([(len(GOOD), 0, b" ")])
@example([(len(GOOD), 0, b"\n")])
def test_headers_with_other_characters(edits: list[tuple[int, int, bytes]]) -> None:
    text = GOOD
    for at, removed, put in edits:
        text = text[:at] + put + text[at + removed :]
    check(text, bytes(9))


@pytest.mark.parametrize(
    "text",
    [
        b"{}", b"{}  ", b"{}\n", b" {}", b"", b"[]", b"null", b"\xef\xbb\xbf{}", b"{}\0",
        b'{"__metadata__":null}', b'{"__metadata__":{"a":"\\ud83d\\ude00"}}',
        b'{"__metadata__":{"a":"\\ud800"}}', b'{"__metadata__":{"a":"1","a":"2"}}',
        b'{"__metadata__":{"a":"\x7f"}}', b'{"__metadata__":{"a":"\x1f"}}',
        b'{"a":["U8",[0],[0,0]]}', b'{"a":{"dtype":{"U8":null},"shape":[0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1e999}}',
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":-1e999}}',
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1e-999}}',
        b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":-0}}',
        b'{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"U8","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"U8","shape":[2305843009213693952,0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"U8","shape":[18446744073709551615,0],"data_offsets":[0,0]}}',
        *(
            b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":%s}}' % nested
            for n in (124, 125, 126, 2_000, 200_000)
            for nested in (b"[" * n + b"]" * n, b'{"a":' * n + b"1" + b"}" * n)
        ),
    ],
)  # fmt: skip
def test_chosen_headers(text: bytes) -> None:
    check(text, b"")


def small_output() -> tuple[bytes, list[ExpectedTensor]]:
    """Write a file with the library itself, and say what is in it."""
    raws = {"a": ("float32", [2, 3], bytes(range(24))), "b": ("int16", [2], b"\x01\x02\x03\x04")}
    arrays = {
        name: np.frombuffer(raw, dtype).reshape(shape) for name, (dtype, shape, raw) in raws.items()
    }
    written = safetensors.numpy.save(arrays, {"format": "pt", "c": "a"})
    expected = []
    for name, alias_of in (("a", None), ("b", None), ("c", "a")):
        dtype, shape, raw = raws[alias_of or name]
        storage = Storage(name, MemorySource(raw, name), len(raw), None, "cpu")
        stride = (3, 1) if len(shape) == 2 else (1,)
        tensor = TensorRef(storage, BY_NAME[dtype], tuple(shape), stride, 0)
        expected.append(ExpectedTensor(name, "f", name, tensor, alias_of))
    return written, expected


def test_every_flipped_bit_is_found() -> None:
    raw, expected = small_output()
    assert verify_output(expected, {"f": MemorySource(raw, "f")}).identical
    data_start = 8 + int.from_bytes(raw[:8], "little")
    quiet = []
    for position in range(len(raw)):
        for bit in range(8):
            wrong = bytearray(raw)
            wrong[position] ^= 1 << bit
            report = verify_output(expected, {"f": MemorySource(bytes(wrong), "f")})
            if report.identical:
                quiet.append((position, bit))
            elif position >= data_start:
                first = report.differences[0]
                assert first.offset is not None
                width = 2 if first.name == "b" else 4
                assert first.offset <= position < first.offset + width
                assert first.count == 1
    # Metadata that no tensor depends on may change unseen: "format": "pt" is the only one here.
    head = raw[:data_start]
    label = head.index(b'"format"')
    assert all(label <= position < label + len(b'"format":"pt"') for position, _ in quiet)

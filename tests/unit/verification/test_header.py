"""Headers that are right, and every way of being wrong."""

from __future__ import annotations

import pytest

from converter.errors import FormatError, HeaderError, LimitError
from converter.limits import Limits
from converter.verification.header import OutputTensor, read_header
from tests.unit.verification.references import file_of, safetensors_of, source_of

A = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def refused(raw: bytes, limits: Limits | None = None) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read_header(source_of(raw), limits or Limits())
    assert caught.value.source == "out.safetensors"
    assert str(caught.value)
    return caught.value


def test_sound_file() -> None:
    raw = safetensors_of(
        {"a": ("F32", [2], bytes(8)), "b": ("U8", [], b"1"), "c": ("F4", [0, 3], b"")},
        {"format": "pt"},
    )
    header = read_header(source_of(raw))
    start = header.data_start
    assert start == len(raw) - 9
    assert dict(header.metadata) == {"format": "pt"}
    assert dict(header.tensors) == {
        "a": OutputTensor("F32", (2,), start, start + 8),
        "b": OutputTensor("U8", (), start + 8, start + 9),
        "c": OutputTensor("F4", (0, 3), start + 9, start + 9),
    }


@pytest.mark.parametrize("raw", [b"{}", b"{}      ", b'{"__metadata__":{}}', b"{ \n\t\r }"])
def test_file_without_tensors(raw: bytes) -> None:
    header = read_header(source_of(file_of(raw)))
    assert not header.tensors
    assert not header.metadata
    assert header.data_start == 8 + len(raw)


def test_header_cannot_be_changed() -> None:
    header = read_header(source_of(safetensors_of({"a": ("U8", [1], b"1")})))
    with pytest.raises(TypeError):
        header.tensors["b"] = header.tensors["a"]  # type: ignore[index]


@pytest.mark.parametrize("raw", [b"", b"1234567", b"\x02\0\0\0\0\0\0\0{", b"\xff" * 16])
def test_length_that_does_not_fit(raw: bytes) -> None:
    assert isinstance(refused(raw), HeaderError)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "header is no JSON object"),
        (b" {}", "header is no JSON object"),
        (b"[]", "header is no JSON object"),
        (b"\xef\xbb\xbf{}", "header is no JSON object"),
        (b"{", "header is no JSON"),
        (b"{}\0", "header goes on after its object"),
        (b"{}\n", "header goes on after its object"),
        (b"{} {}", "header goes on after its object"),
        (b'{"\xff":1}', "header is not UTF-8"),
        (b'{"\xed\xa0\x80":1}', "header is not UTF-8"),
        (b'{"__metadata__":NaN}', "header is no JSON"),
        (b'{"__metadata__":null}', "metadata is no object"),
        (b'{"__metadata__":[]}', "metadata is no object"),
        (b'{"__metadata__":{"a":1}}', "metadata value is no text"),
        (b'{"__metadata__":{"a":"\\udc00"}}', "string with half a surrogate pair in the header"),
        (b'{"__metadata__":{"\\ud800":"a"}}', "string with half a surrogate pair in the header"),
        (b'{"__metadata__":{"a":"1","a":"1"}}', "key twice in one object of the header"),
        (b'{"__metadata__":{},"__metadata__":{}}', "key twice in one object of the header"),
        (b'{"a":' * 50_000, "header is no JSON"),
        (b'{"a":' + b"[" * 200_000, "header is no JSON"),
        (b'{"a":' + b"1" * 5_000 + b"}", "header is no JSON"),
    ],
)
def test_what_is_no_header(raw: bytes, what: str) -> None:
    assert refused(file_of(raw)).what == what


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("1", "tensor is no object"),
        ('["F32",[1],[0,4]]', "tensor is no object"),
        ("{}", "tensor of an unknown dtype"),
        ('{"dtype":null,"shape":[1],"data_offsets":[0,4]}', "tensor of an unknown dtype"),
        ('{"dtype":"C128","shape":[1],"data_offsets":[0,4]}', "tensor of an unknown dtype"),
        ('{"dtype":"f32","shape":[1],"data_offsets":[0,4]}', "tensor of an unknown dtype"),
        ('{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}', "tensor of an unknown dtype"),
        ('{"dtype":"F32","data_offsets":[0,4]}', "shape is no array"),
        ('{"dtype":"F32","shape":1,"data_offsets":[0,4]}', "shape is no array"),
        ('{"dtype":"F32","shape":[1]}', "data_offsets is no array"),
        ('{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}', "shape holds what is no count"),
        ('{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}', "shape holds what is no count"),
        ('{"dtype":"F32","shape":[true],"data_offsets":[0,4]}', "shape holds what is no count"),
        ('{"dtype":"F32","shape":[null],"data_offsets":[0,4]}', "shape holds what is no count"),
        ('{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}', "shape holds what is no count"),
        (
            '{"dtype":"F32","shape":[1],"data_offsets":[-0,4]}',
            "data_offsets holds what is no count",
        ),
        (
            '{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}',
            "data_offsets holds what is no count",
        ),
        ('{"dtype":"F32","shape":[1],"data_offsets":[0]}', "data_offsets are no pair"),
        ('{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}', "data_offsets are no pair"),
        ('{"dtype":"F32","shape":[1],"data_offsets":[4,0]}', "tensor's bytes do not fit its shape"),
        ('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}', "tensor's bytes do not fit its shape"),
        ('{"dtype":"F32","shape":[],"data_offsets":[0,0]}', "tensor's bytes do not fit its shape"),
        ('{"dtype":"F4","shape":[1],"data_offsets":[0,1]}', "tensor does not fill its last byte"),
        (
            '{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}',
            "tensor too large for the format",
        ),
        (
            '{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}',
            "key twice in one object of the header",
        ),
        ('{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1e999}', "number out of range"),
        (
            '{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":' + "9" * 400 + "}",
            "number out of range",
        ),
        (
            '{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":' + "[" * 126 + "]" * 126 + "}",
            "header is nested too deeply",
        ),
        (
            '{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":[{"\\ud800":1}]}',
            "string with half a surrogate pair in the header",
        ),
    ],
)
def test_what_is_no_tensor(entry: str, what: str) -> None:
    error = refused(file_of(f'{{"a":{entry}}}'.encode(), bytes(4)))
    assert error.what == what
    assert isinstance(error, HeaderError)


def test_extra_fields_are_read_over() -> None:
    deepest = "[" * 125 + "]" * 125
    extra = '"x":[1.5,-0,{"y":{}}],"z":' + deepest
    text = f'{{"a":{{"dtype":"U8",{extra},"shape":[1],"data_offsets":[0,1]}}}}'
    assert read_header(source_of(file_of(text.encode(), b"1"))).tensors["a"].shape == (1,)


def two(first: list[int], second: list[int], nbytes: int) -> bytes:
    entries = {
        name: {"dtype": "U8", "shape": [stop - start], "data_offsets": [start, stop]}
        for name, (start, stop) in {"a": first, "b": second}.items()
    }
    return file_of(entries, bytes(nbytes))


@pytest.mark.parametrize(
    ("raw", "what", "record"),
    [
        (two([0, 4], [3, 8], 8), "tensors overlap", "b"),
        (two([0, 4], [0, 4], 4), "tensors overlap", "b"),
        (two([0, 4], [5, 8], 8), "hole between tensors", "b"),
        (two([4, 8], [1, 4], 8), "hole between tensors", "b"),
        (two([0, 4], [4, 8], 9), "tensors end elsewhere than their file", None),
        (two([0, 4], [4, 8], 7), "tensors end elsewhere than their file", None),
        (two([0, 4], [9, 9], 4), "hole between tensors", "b"),
        (file_of({}, b"1"), "tensors end elsewhere than their file", None),
    ],
)
def test_bytes_of_nobody_or_of_two(raw: bytes, what: str, record: str | None) -> None:
    error = refused(raw)
    assert (error.what, error.record) == (what, record)


def test_order_of_names_is_free() -> None:
    header = read_header(source_of(two([4, 8], [0, 4], 8)))
    assert list(header.tensors) == ["a", "b"]
    assert header.tensors["a"].start == header.data_start + 4


def test_limits() -> None:
    raw = two([0, 4], [4, 8], 8)
    length = int.from_bytes(raw[:8], "little")
    read_header(source_of(raw), Limits(max_header_bytes=length, max_tensors=2))
    for limits, name in (
        (Limits(max_header_bytes=length - 1), "max_header_bytes"),
        (Limits(max_tensors=1), "max_tensors"),
    ):
        error = refused(raw, limits)
        assert isinstance(error, LimitError)
        assert error.limit == name


def test_message_of_a_hostile_value_is_short() -> None:
    for value in ('"' + "x" * 10**6 + '"', "[" * 300 + "]" * 300, "9" * 4_000):
        error = refused(file_of(f'{{"a":{{"dtype":{value}}}}}'.encode()))
        assert len(str(error)) < 1_000

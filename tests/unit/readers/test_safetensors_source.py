"""A safetensors file as a checkpoint: strict, by reference, with its second names."""

from __future__ import annotations

import json
import struct

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue
from converter.errors import FormatError, HeaderError, LimitError, UnsupportedError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.readers.safetensors_source import read_safetensors
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.small_files import NUMBERS, safetensors_file, safetensors_of

W = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


def test_tensor() -> None:
    opened = read_bytes(safetensors_file())
    assert opened.container == "safetensors"
    (tensor,) = tensors_of(opened).values()
    assert logical_bytes(tensor) == NUMBERS
    assert len(opened.storages) == 1
    assert opened.notes == []


def test_order_of_the_header_and_empty_tensors() -> None:
    header = {
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
        "none": {"dtype": "I64", "shape": [0, 3], "data_offsets": [8, 8]},
        "a": {"dtype": "U8", "shape": [2, 4], "data_offsets": [0, 8]},
        "scalar": {"dtype": "F32", "shape": [], "data_offsets": [16, 20]},
    }
    found = tensors_of(read_bytes(safetensors_of(header, NUMBERS + NUMBERS[4:8])))
    assert list(found) == ["b", "none", "a", "scalar"]
    assert found["a"].stride == (4, 1)
    assert found["scalar"].shape == ()
    assert found["none"].nbytes == 0


def test_two_f4_values_are_one_element() -> None:
    header = {"w": {"dtype": "F4", "shape": [4, 8], "data_offsets": [0, 16]}}
    (tensor,) = tensors_of(read_bytes(safetensors_of(header))).values()
    assert tensor.dtype.name == "float4_e2m1fn_x2"
    assert tensor.shape == (4, 4)


def test_metadata_is_kept_as_values() -> None:
    header = {"__metadata__": {"format": "pt", "long": "x" * 300}, "w": W}
    opened = read_bytes(safetensors_of(header))
    assert [note.code for note in opened.notes] == ["safetensors_metadata"] * 2
    assert opened.notes[0].text == "format = 'pt'"
    assert len(opened.notes[1].text) < 250
    assert isinstance(opened.root, MappingValue)
    assert opened.root.attributes is not None
    kept = opened.root.attributes.find("__metadata__")
    assert isinstance(kept, MappingValue)
    assert kept.find("long") == "x" * 300


def test_second_names_are_the_same_tensor() -> None:
    header = {"__metadata__": {"head": "w", "other": "nothing", "w": "w", "format": "w"}, "w": W}
    opened = read_bytes(safetensors_of(header))
    found = tensors_of(opened)
    assert list(found) == ["w", "head"]
    assert found["head"] is found["w"]
    assert isinstance(found["w"], TensorRef)
    assert opened.notes[-1].code == "safetensors_aliases"


def raw(text: str) -> bytes:
    return safetensors_of(text.encode())


DESCRIBED = json.dumps(W)
BROKEN = {
    "header is no JSON object": [raw('["x"]'), raw(" {}")],
    "header is no JSON": [
        raw('{"w": '),
        raw('{"w": NaN}'),
        raw('{"w\\ud800": ' + DESCRIBED + "}"),
        safetensors_of(b'{"\xff": 1}'),
        raw('{"w": ' + "[" * 100_000),
        raw('{"w": ' + "1" * 5_000 + "}"),
    ],
    "header goes on after its object": [raw('{"w": ' + DESCRIBED + "}\n"), raw("{}x")],
    "key twice in the header": [
        raw('{"w": ' + DESCRIBED + ', "w": ' + DESCRIBED + "}"),
        raw('{"w": ' + DESCRIBED[:-1] + ', "dtype": "F32"}}'),
        raw('{"": 1, "": 1}'),
    ],
    "metadata is no object": [safetensors_of({"__metadata__": None, "w": W})],
    "metadata is no text": [safetensors_of({"__metadata__": {"a": 1}, "w": W})],
    "tensor is not described": [
        safetensors_of({"w": ["F32", [4], [0, 16]]}),
        safetensors_of({"w": {"dtype": "F32", "shape": [4]}}),
    ],
    "shape is no list": [safetensors_of({"w": W | {"shape": 4}})],
    "shape is no list of sizes": [
        safetensors_of({"w": W | {"shape": shape}}) for shape in ([-4], [4.0], [True], [1 << 64])
    ],
    "data_offsets are no range": [
        safetensors_of({"w": W | {"data_offsets": offsets}})
        for offsets in ([0], [16, 0], [0, 8, 16])
    ],
    "tensor of another length than its shape": [safetensors_of({"w": W | {"shape": [3]}})],
    "tensor of an unknown dtype": [
        safetensors_of({"w": W | {"dtype": dtype}}) for dtype in ("F31", None, {"F32": None})
    ],
    "tensor of half bytes": [
        safetensors_of({"w": W | {"dtype": "F4", "shape": shape}}) for shape in ([3], [])
    ],
    "hole before a tensor": [
        safetensors_of({"w": {"dtype": "U8", "shape": [12], "data_offsets": [4, 16]}})
    ],
    "tensor over another": [
        safetensors_of({"w": W, "v": W}),
        safetensors_of({"w": W, "v": {"dtype": "U8", "shape": [4], "data_offsets": [12, 16]}}),
    ],
    "bytes behind the last tensor": [safetensors_of({"w": W}, NUMBERS + b"x")],
    "safetensors file is truncated": [
        safetensors_of({"w": W}, NUMBERS[:-1]),
        safetensors_of({"w": W})[:20],
    ],
}


@pytest.mark.parametrize(
    ("what", "data"),
    [
        pytest.param(what, data, id=f"{what}-{index}")
        for what, files in BROKEN.items()
        for index, data in enumerate(files)
    ],
)
def test_what_is_not_the_letter_of_the_format(what: str, data: bytes) -> None:
    with pytest.raises(HeaderError) as caught:
        read_safetensors(MemorySource(data, "a"), DEFAULT_LIMITS)
    assert caught.value.what.startswith(what)
    assert isinstance(caught.value, FormatError)


def test_dtype_that_torch_has_not() -> None:
    header = {"w": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}
    with pytest.raises(UnsupportedError, match="F6_E2M3"):
        read_bytes(safetensors_of(header, NUMBERS[:3]))


def test_limits() -> None:
    data = safetensors_file()
    with pytest.raises(LimitError, match="max_header_bytes"):
        read_bytes(data, limits=Limits(max_header_bytes=10))
    with pytest.raises(LimitError, match="max_tensors"):
        read_bytes(data, limits=Limits(max_tensors=0))
    with pytest.raises(LimitError, match="max_dims"):
        read_bytes(data, limits=Limits(max_dims=0))


def test_length_beyond_everything() -> None:
    data = struct.pack("<Q", (1 << 64) - 1) + b"{}"
    with pytest.raises(FormatError):
        read_bytes(data)

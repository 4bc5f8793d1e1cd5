"""Tests of how types are said in safetensors."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import safetensors

from converter.dtypes import BY_NAME
from converter.errors import UnsupportedError
from converter.writing.encoding import Encoded, encode_type
from tests.unit.writing.made import storage, view

if TYPE_CHECKING:
    from pathlib import Path

deserialize: Any = safetensors.deserialize


@pytest.mark.parametrize(
    "name", [n for n, d in BY_NAME.items() if d.safetensors not in {None, "F4"}]
)
def test_types_the_format_has(name: str) -> None:
    dtype = BY_NAME[name]
    one = view(storage(bytes(96)), name, (2, 3))
    assert encode_type(one, "w") == Encoded(
        str(dtype.safetensors), (2, 3), 6 * dtype.itemsize, None
    )


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "encoding"),
    [
        ("complex128", "F64", (2, 3, 2), "complex128 as F64 pairs"),
        ("complex32", "F16", (2, 3, 2), "complex32 as F16 pairs"),
        ("bits8", "U8", (2, 3), "bits8 as U8"),
        ("bits1x8", "U8", (2, 3), "bits1x8 as U8"),
        ("bits2x4", "U8", (2, 3), "bits2x4 as U8"),
        ("bits4x2", "U8", (2, 3), "bits4x2 as U8"),
        ("bits16", "U16", (2, 3), "bits16 as U16"),
        ("qint8", "I8", (2, 3), "qint8 as I8"),
        ("quint8", "U8", (2, 3), "quint8 as U8"),
        ("qint32", "I32", (2, 3), "qint32 as I32"),
        ("quint4x2", "U8", (3,), "quint4x2 as packed U8"),
        ("quint2x4", "U8", (2,), "quint2x4 as packed U8"),
        ("float4_e2m1fn_x2", "F4", (2, 6), None),
    ],
)
def test_types_the_format_lacks(
    name: str, dtype: str, shape: tuple[int, ...], encoding: str | None
) -> None:
    one = view(storage(bytes(96)), name, (2, 3))
    assert encode_type(one, "w") == Encoded(dtype, shape, one.nbytes, encoding)


def test_every_type_has_an_encoding() -> None:
    for name in BY_NAME:
        encode_type(view(storage(bytes(16)), name, ()), "w")


def test_empty_tensors_that_the_reference_would_not_read(tmp_path: Path) -> None:
    whole = storage(b"")
    huge, fine = (1 << 32, 1 << 32, 0), (0, 1 << 32, 1 << 32)
    with pytest.raises(UnsupportedError, match="empty tensor too large"):
        encode_type(view(whole, "uint8", huge), "w")
    for shape, refused in ((huge, True), (fine, False)):
        header = json.dumps({"w": {"dtype": "U8", "shape": shape, "data_offsets": [0, 0]}}).encode()
        path = tmp_path / "w.safetensors"
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(safetensors.SafetensorError) if refused else nullcontext():
            deserialize(path.read_bytes())
    assert encode_type(view(whole, "uint8", fine), "w").shape == fine


def test_four_bit_floats_without_dimensions_are_a_byte() -> None:
    one = view(storage(b"x"), "float4_e2m1fn_x2", ())
    assert encode_type(one, "w") == Encoded("U8", (), 1, "float4_e2m1fn_x2 as U8")


@pytest.mark.parametrize(
    ("stride", "offset"), [((1, 2), 0), ((3, 1), 1)], ids=["transposed", "within a byte"]
)
def test_strided_packed_values_are_refused(stride: tuple[int, ...], offset: int) -> None:
    with pytest.raises(UnsupportedError, match="packed"):
        encode_type(view(storage(bytes(16)), "quint4x2", (2, 3), stride, offset), "w")


def test_bits_that_torch_cannot_resolve_are_refused() -> None:
    base = storage(bytes(16))
    for name in ("bool", "uint16", "float8_e4m3fn", "bits8"):
        with pytest.raises(UnsupportedError, match="neg bit"):
            encode_type(replace(view(base, name, (2,)), neg=True), "w")
    with pytest.raises(UnsupportedError, match="conj bit"):
        encode_type(replace(view(base, "float32", (2,)), conj=True), "w")


def test_bytes_that_were_never_saved() -> None:
    with pytest.raises(UnsupportedError, match="without bytes"):
        encode_type(view(storage(None), "float32", (2,)), "w")

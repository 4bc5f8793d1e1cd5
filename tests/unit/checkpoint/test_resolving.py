"""Tests of byte order, neg and conj bits."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from converter.checkpoint.resolving import is_verbatim, resolve
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME
from tests.unit.writing.made import storage, view

NAN = 0x7F800001  # a signalling NaN: arithmetic would make it quiet


def resolved(content: bytes, one: TensorRef) -> bytes:
    buffer = bytearray(content)
    resolve(memoryview(buffer), one)
    return bytes(buffer)


def of(dtype: str, content: bytes, *, big_endian: bool = False) -> TensorRef:
    count = len(content) // BY_NAME[dtype].itemsize
    return view(storage(content, big_endian=big_endian), dtype, (count,))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_byte_order_is_changed_by_unit(name: str) -> None:
    unit = BY_NAME[name].swap
    content = bytes(range(32))
    expected = b"".join(content[i : i + unit][::-1] for i in range(0, 32, unit))
    one = of(name, content, big_endian=True)
    assert resolved(content, one) == expected
    assert is_verbatim(one) == (unit == 1)


def test_negated_float_changes_its_sign_bit_only() -> None:
    content = struct.pack("<3I", NAN, 0, 0x80000000)
    one = replace(of("float32", content), neg=True)
    assert resolved(content, one) == struct.pack("<3I", NAN | 1 << 31, 1 << 31, 0)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_negated_half_changes_its_sign_bit_only(name: str) -> None:
    content = struct.pack("<4H", 0x7C01, 0x7F81, 0xFFFF, 0)
    one = replace(of(name, content), neg=True)
    assert resolved(content, one) == struct.pack("<4H", 0xFC01, 0xFF81, 0x7FFF, 0x8000)


def test_negated_integer_wraps() -> None:
    content = struct.pack("<3b", -128, 5, 0)
    one = replace(of("int8", content), neg=True)
    assert resolved(content, one) == struct.pack("<3b", -128, -5, 0)
    content = struct.pack("<2B", 1, 255)
    assert resolved(content, replace(of("uint8", content), neg=True)) == struct.pack("<2B", 255, 1)


def test_conjugate_changes_imaginary_signs_only() -> None:
    content = struct.pack("<4I", NAN, NAN, 0, 0)
    one = replace(of("complex64", content), conj=True)
    assert resolved(content, one) == struct.pack("<4I", NAN, NAN | 1 << 31, 0, 1 << 31)


def test_conjugate_and_negated_together_in_big_endian() -> None:
    content = struct.pack(">2d", 1.0, 2.0)
    one = replace(of("complex128", content, big_endian=True), conj=True, neg=True)
    assert resolved(content, one) == struct.pack("<2d", -1.0, 2.0)


def test_ordinary_tensors_are_verbatim() -> None:
    one = of("float32", bytes(8))
    assert is_verbatim(one)
    assert not is_verbatim(replace(one, neg=True))
    assert not is_verbatim(replace(of("complex64", bytes(8)), conj=True))

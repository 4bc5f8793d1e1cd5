"""Every torch dtype has its place in the file."""

from __future__ import annotations

import math

import pytest

from converter.dtypes import BY_NAME
from converter.errors import UnsupportedError
from converter.verification.header import BITS
from converter.verification.stored_types import stored_as
from tests.unit.verification.references import tensor_of


@pytest.mark.parametrize("name", sorted(BY_NAME))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 5), (2, 0, 3)])
def test_bytes_are_those_of_the_tensor(name: str, shape: tuple[int, ...]) -> None:
    stored, sizes = stored_as(name, shape)
    assert math.prod(sizes) * BITS[stored] == tensor_of(b"", name, shape).nbytes * 8


@pytest.mark.parametrize("name", [name for name, dtype in BY_NAME.items() if dtype.safetensors])
def test_types_of_the_format_keep_their_name(name: str) -> None:
    assert stored_as(name, (2, 3))[0] == BY_NAME[name].safetensors


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("complex128", (3,), ("F64", (3, 2))),
        ("complex128", (), ("F64", (2,))),
        ("complex32", (2, 3), ("F16", (2, 3, 2))),
        ("float4_e2m1fn_x2", (2, 4), ("F4", (2, 8))),
        ("float4_e2m1fn_x2", (), ("U8", ())),
        ("quint4x2", (3, 3), ("U8", (5,))),
        ("quint2x4", (3, 3), ("U8", (3,))),
        ("quint4x2", (), ("U8", (1,))),
        ("qint32", (2,), ("I32", (2,))),
        ("bits16", (2,), ("U16", (2,))),
    ],
)
def test_types_without_a_word(
    name: str, shape: tuple[int, ...], expected: tuple[str, tuple[int, ...]]
) -> None:
    assert stored_as(name, shape) == expected


def test_unknown_type() -> None:
    with pytest.raises(UnsupportedError):
        stored_as("int4", (1,))

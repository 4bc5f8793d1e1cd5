"""By how much tensors differ: against plain Python."""

from __future__ import annotations

import math
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.comparison import magnitudes
from converter.comparison.magnitudes import Magnitude, is_measurable, magnitude
from converter.limits import DEFAULT_LIMITS, Limits
from tests.unit.writing.made import storage, tensor, view

DOUBLES = st.floats(width=64)


@given(st.lists(st.tuples(DOUBLES, DOUBLES), min_size=1, max_size=8))
def test_float64_against_python(pairs: list[tuple[float, float]]) -> None:
    left, right = (struct.pack(f"<{len(pairs)}d", *side) for side in zip(*pairs, strict=True))
    found = magnitude(
        tensor(left, "float64", len(pairs)),
        tensor(right, "float64", len(pairs)),
        DEFAULT_LIMITS,
        "",
    )
    finite = [abs(a - b) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
    other = sum(
        struct.pack("<d", a) != struct.pack("<d", b)
        for a, b in pairs
        if not (math.isfinite(a) and math.isfinite(b))
    )
    expected = min(max(finite, default=0.0), sys.float_info.max)
    assert found == Magnitude(expected, other)


@pytest.mark.parametrize(
    ("dtype", "one", "other", "expected"),
    [
        ("float32", struct.pack("<f", 1.5), struct.pack("<f", -1), 2.5),
        ("float16", struct.pack("<e", 1.5), struct.pack("<e", -1), 2.5),
        ("bfloat16", b"\xc0\x3f", b"\x80\xbf", 2.5),
        ("complex64", struct.pack("<2f", 3, 0), struct.pack("<2f", 0, 4), 5.0),
        ("complex128", struct.pack("<2d", 3, 0), struct.pack("<2d", 0, 4), 5.0),
        ("float32", struct.pack("<f", 0.0), struct.pack("<f", -0.0), 0.0),
    ],
)
def test_every_type(dtype: str, one: bytes, other: bytes, expected: float) -> None:
    found = magnitude(tensor(one, dtype, 1), tensor(other, dtype, 1), DEFAULT_LIMITS, "")
    assert found == Magnitude(expected, 0)


def test_two_types_and_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(magnitudes, "_PIECE_ELEMENTS", 7)
    numbers = [n / 4 for n in range(48)]
    wide = view(storage(struct.pack("<48f", *numbers)), "float32", (6, 8), (1, 6))
    turned = [numbers[row + 6 * column] for row in range(6) for column in range(8)]
    turned[40] += 0.5
    half = tensor(struct.pack("<48e", *turned), "float16", 6, 8)
    assert is_measurable(wide, half)
    assert magnitude(wide, half, Limits(gather_chunk_bytes=64), "") == Magnitude(0.5, 0)


def test_no_number_of_two_types_is_the_same() -> None:
    one = tensor(struct.pack("<f", math.nan), "float32", 1)
    other = tensor(struct.pack("<d", math.nan), "float64", 1)
    assert magnitude(one, other, DEFAULT_LIMITS, "") == Magnitude(0.0, 0)


@pytest.mark.parametrize(
    ("a", "b"), [("int64", "int64"), ("float64", "int64"), ("float32", "complex64")]
)
def test_what_cannot_be_measured(a: str, b: str) -> None:
    assert not is_measurable(tensor(bytes(8), a, 1), tensor(bytes(8), b, 1))
    assert not is_measurable(tensor(bytes(8), "float64", 1), tensor(bytes(8), "float32", 2))

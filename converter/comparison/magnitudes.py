"""By how much two tensors of numbers differ, computed in float64; numpy on first use."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from converter.verification.boxes import iter_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits

_NUMPY: Final = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "complex64": "<c8",
    "complex128": "<c16",
}
_BFLOAT16: Final = "bfloat16"
_PIECE_ELEMENTS: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class Magnitude:
    """By how much two tensors of one shape differ.

    Attributes:
        max_abs: the largest absolute difference of two finite numbers; of complex ones, its
            modulus.
        nonfinite: elements that differ and of which one is an infinity or no number.
    """

    max_abs: float
    nonfinite: int


def is_measurable(a: TensorRef, b: TensorRef) -> bool:
    """Return whether the elements of both are floating-point numbers that can be subtracted."""
    known = {*_NUMPY, _BFLOAT16}
    both = a.dtype.name in known and b.dtype.name in known
    return both and a.dtype.is_complex == b.dtype.is_complex and a.shape == b.shape


def magnitude(a: TensorRef, b: TensorRef, limits: Limits, where: str) -> Magnitude:
    """Return by how much two measurable tensors differ; reads both.

    Raises:
        SourceError: one of them cannot be read.
        FormatError: one of them lies outside its storage.
    """
    import numpy as np

    largest = 0.0
    nonfinite = 0
    with np.errstate(all="ignore"):
        for raw_a, raw_b in _in_step(a, b, limits, where):
            left, right = _numbers(raw_a, a.dtype.name), _numbers(raw_b, b.dtype.name)
            distance: NDArray[Any] = np.abs(left - right)
            finite = np.isfinite(left) & np.isfinite(right)
            if finite.all():
                largest = max(largest, float(distance.max()))
                continue
            largest = max(largest, float(distance[finite].max(initial=0.0)))
            same = (left == right) | (np.isnan(left) & np.isnan(right))
            if a.dtype is b.dtype:  # then the bits decide, as everywhere
                same = _equal_bits(raw_a, raw_b, a.dtype.itemsize)
            nonfinite += int((~finite & ~same).sum())
    return Magnitude(min(largest, sys.float_info.max), nonfinite)


def _in_step(
    a: TensorRef, b: TensorRef, limits: Limits, where: str
) -> Iterator[tuple[memoryview, memoryview]]:
    """Yield the same elements of both, some at a time."""
    sizes = (a.dtype.itemsize, b.dtype.itemsize)
    sides = [iter_values(tensor, limits, where) for tensor in (a, b)]
    left = right = memoryview(b"")
    done = 0
    while done < a.numel:
        left = left or next(sides[0])
        right = right or next(sides[1])
        count = min(len(left) // sizes[0], len(right) // sizes[1], _PIECE_ELEMENTS)
        yield left[: count * sizes[0]], right[: count * sizes[1]]
        left, right = left[count * sizes[0] :], right[count * sizes[1] :]
        done += count


def _numbers(raw: memoryview, dtype: str) -> NDArray[Any]:
    """Return elements as float64 or complex128."""
    import numpy as np

    if dtype == _BFLOAT16:
        # bfloat16 is the upper half of float32.
        wide: NDArray[Any] = np.frombuffer(raw, "<u2").astype("<u4") << np.uint32(16)
        return wide.view("<f4").astype("f8")
    found: NDArray[Any] = np.frombuffer(raw, _NUMPY[dtype])
    return found.astype("c16" if found.dtype.kind == "c" else "f8")


def _equal_bits(a: memoryview, b: memoryview, itemsize: int) -> NDArray[Any]:
    import numpy as np

    left, right = (np.frombuffer(raw, np.uint8).reshape(-1, itemsize) for raw in (a, b))
    equal: NDArray[Any] = (left == right).all(axis=1)
    return equal

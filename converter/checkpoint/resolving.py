"""Byte order, neg and conj bits, resolved in a buffer of elements without touching another bit.

A NaN is never computed with, so that its payload survives: negating a float is flipping its sign
bit. torch's own `resolve_neg` and `resolve_conj` do the same for float32, float64 and complex
conjugates; elsewhere torch disagrees with itself, element by element: its vectorised loop for
float16 and bfloat16 flips the bit, its scalar loop for the rest of a tensor rounds through
float32 and changes NaN payloads, and vectorised negation of complex values computes ``0 - x``,
which loses -0.0 (torch 2.13). The sign bit is what all of them mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converter.checkpoint.tensor import TensorRef


def is_verbatim(tensor: TensorRef) -> bool:
    """Return whether the stored bytes of each element are its bytes in the output."""
    swapped = tensor.storage.big_endian and tensor.dtype.swap > 1
    return not (swapped or tensor.neg or tensor.conj)


def resolve(buffer: memoryview, tensor: TensorRef) -> None:
    """Turn whole stored elements of `tensor` into little-endian, resolved ones, in place."""
    import numpy as np

    unit = tensor.dtype.swap
    values = np.frombuffer(buffer, dtype=f"<u{unit}")
    if tensor.storage.big_endian and unit > 1:
        values.byteswap(inplace=True)
    sign = np.array(1 << (8 * unit - 1), dtype=values.dtype)
    if tensor.neg:
        if tensor.dtype.is_complex or "float" in tensor.dtype.name:
            np.bitwise_xor(values, sign, out=values)
        else:
            np.negative(values, out=values)  # unsigned arithmetic wraps as torch's does
    if tensor.conj:
        imaginary = values[1::2]
        np.bitwise_xor(imaginary, sign, out=imaginary)

"""The bytes that live tensors stand for, from their storages alone: the oracle of the properties.

Element by element, by shape, stride and offset; conjugate and negative bits are sign bits. Nothing
of the package is used, and no arithmetic of torch's, which disagrees with itself about the NaNs of
its smaller types.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

# Type → bytes of one number in it; two numbers make a complex element.
_HALVES: Final = {"complex128": 8, "complex64": 4, "complex32": 2}


def live_bytes(tensor: Any) -> bytes:  # noqa: ANN401 - a torch.Tensor
    """Return the row-major little-endian bytes of a dense tensor on the CPU."""
    import torch

    storage = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
    raw = storage.numpy().tobytes()
    width, stride, offset = tensor.element_size(), tensor.stride(), tensor.storage_offset()
    part = _HALVES.get(type_name(tensor), width)
    flipped = _flipped_parts(tensor.is_conj(), tensor.is_neg(), width // part)
    pieces = []
    for index in itertools.product(*map(range, tensor.shape)):
        at = (offset + sum(i * step for i, step in zip(index, stride, strict=True))) * width
        element = bytearray(raw[at : at + width])
        for number in flipped:
            element[(number + 1) * part - 1] ^= 0x80
        pieces.append(bytes(element))
    return b"".join(pieces)


def _flipped_parts(conj: bool, neg: bool, count: int) -> list[int]:  # noqa: FBT001 - two bits
    """Return which numbers of an element have their sign bit flipped."""
    flips = [neg] * count
    if conj:
        flips[1] = not flips[1]
    return [number for number, flip in enumerate(flips) if flip]


def type_name(tensor: Any) -> str:  # noqa: ANN401 - a torch.Tensor
    """Return the name of a tensor's dtype without its prefix."""
    return str(tensor.dtype).removeprefix("torch.")


def live_described(tensor: Any) -> tuple[str, tuple[int, ...], bytes]:  # noqa: ANN401 - as above
    """Return (dtype, shape, bytes)."""
    return type_name(tensor), tuple(tensor.shape), live_bytes(tensor)

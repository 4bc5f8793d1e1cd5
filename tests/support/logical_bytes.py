"""The bytes a tensor stands for, element by element: slow, and nothing of the package's own."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from converter.byteio.source import MemorySource
from converter.checkpoint.tensor import TensorRef
from converter.limits import DEFAULT_LIMITS, Limits
from converter.readers.opening import read_source
from converter.readers.styles import canonical

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened


def logical_bytes(tensor: TensorRef) -> bytes:
    """Return the contiguous little-endian bytes of a tensor without conj or neg bits."""
    assert tensor.storage.data is not None
    assert not tensor.conj
    assert not tensor.neg
    stored = tensor.storage.data.read_at(0, tensor.storage.nbytes)
    dtype = tensor.dtype
    pieces = []
    for index in itertools.product(*map(range, tensor.shape)):
        place = tensor.offset + sum(i * s for i, s in zip(index, tensor.stride, strict=True))
        element = stored[place * dtype.itemsize : (place + 1) * dtype.itemsize]
        if tensor.storage.big_endian:
            units = range(0, dtype.itemsize, dtype.swap)
            element = b"".join(element[at : at + dtype.swap][::-1] for at in units)
        pieces.append(element)
    return b"".join(pieces)


def read_bytes(data: bytes, name: str = "file", limits: Limits = DEFAULT_LIMITS) -> Opened:
    """Read a file from memory, by the reader of its kind."""
    return read_source(MemorySource(data, name), limits)


def tensors_of(opened: Opened) -> dict[str, TensorRef]:
    """Return every tensor under its full name."""
    return canonical(opened, DEFAULT_LIMITS).tensors()

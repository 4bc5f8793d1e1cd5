"""Tensors that a checkpoint keeps in chunks, as one tensor by reference."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from converter.byteio.assembled import AssembledSource, Piece
from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.errors import TensorError, UnsupportedError
from converter.readers.covering import Span, check_cover
from converter.readers.rebuild.numpy_values import contiguous_stride

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converter.dtypes import DType


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a tensor.

    Attributes:
        start: its first index in the whole, per dimension.
        tensor: its elements.
    """

    start: tuple[int, ...]
    tensor: TensorRef


def assemble(name: str, dtype: DType, shape: tuple[int, ...], chunks: Sequence[Chunk]) -> TensorRef:
    """Return the tensor whose parts `chunks` are, dense and row-major.

    A single chunk that is the whole stays as it lies.

    Raises:
        TensorError: the chunks do not cover it once, or one is of another dtype.
        UnsupportedError: chunks differ in byte order or in a bit, or have no bytes.
    """
    full = [chunk for chunk in chunks if 0 not in chunk.tensor.shape]
    for chunk in full:
        _check_chunk(name, dtype, shape, chunk)
    if 0 in shape and not full:
        storage = Storage(name, MemorySource(b"", name), 0, dtype, "cpu")
        return TensorRef(storage, dtype, shape, contiguous_stride(shape), 0)
    spans = [
        Span(chunk.start, tuple(map(sum, zip(chunk.start, chunk.tensor.shape, strict=True))))
        for chunk in full
    ]
    check_cover(shape, spans, name)
    first = full[0].tensor
    if len(full) == 1:
        return first
    _check_alike(name, full)
    data = AssembledSource([_piece(name, chunk) for chunk in full], shape, dtype.itemsize, name)
    storage = Storage(
        name, data, data.nbytes, dtype, first.storage.location, first.storage.big_endian
    )
    stride = contiguous_stride(shape)
    return TensorRef(storage, dtype, shape, stride, 0, first.conj, first.neg)


def cut_flat(
    name: str, parts: Sequence[TensorRef], offset: int, shape: tuple[int, ...]
) -> TensorRef:
    """Return the tensor whose elements follow one another in `parts`, laid end to end.

    Args:
        name: for messages.
        parts: one-dimensional tensors.
        offset: its first element, counted from that of the first part.
        shape: its sizes.

    Raises:
        TensorError: the parts end before it does, or differ in dtype.
        UnsupportedError: as for `assemble`.
    """
    numel = math.prod(shape)
    chunks = []
    position = 0
    for part in parts:
        start, stop = max(offset, position), min(offset + numel, position + part.numel)
        if start < stop:
            chunks.append(
                Chunk((start - offset,), slice_flat(part, start - position, stop - start))
            )
        position += part.numel
    flat = assemble(name, parts[0].dtype, (numel,), chunks)
    stride = contiguous_stride(shape)
    if flat.stride != (1,):  # a part may step over elements
        stride = tuple(step * flat.stride[0] for step in stride)
    return replace(flat, shape=shape, stride=stride)


def slice_flat(part: TensorRef, start: int, count: int) -> TensorRef:
    """Return `count` elements of a one-dimensional tensor."""
    return replace(part, shape=(count,), offset=part.offset + start * part.stride[0])


def _check_chunk(name: str, dtype: DType, shape: tuple[int, ...], chunk: Chunk) -> None:
    tensor = chunk.tensor
    if tensor.dtype != dtype:
        raise TensorError(
            "chunk of another dtype",
            record=name,
            expected=dtype.name,
            found=tensor.dtype.name,
        )
    if not len(shape) == len(chunk.start) == len(tensor.shape):
        raise TensorError(
            "chunk with another number of dimensions",
            record=name,
            expected=str(len(shape)),
            found=f"{len(tensor.shape)} at offset {list(chunk.start)}",
        )


def _check_alike(name: str, chunks: Sequence[Chunk]) -> None:
    kinds = {(c.tensor.conj, c.tensor.neg, c.tensor.storage.big_endian) for c in chunks}
    if len(kinds) > 1 or any(chunk.tensor.dtype.packed != 1 for chunk in chunks):
        raise UnsupportedError(
            "tensor in chunks that are stored differently",
            record=name,
            expected="one byte order, and the same conj and neg bits",
            found="several, or values smaller than a byte",
        )


def _piece(name: str, chunk: Chunk) -> Piece:
    tensor = chunk.tensor
    data = tensor.storage.data
    if data is None:
        raise UnsupportedError("chunk without bytes", record=name, found=tensor.storage.location)
    unit = tensor.dtype.itemsize
    steps = tuple(step * unit for step in tensor.stride)
    return Piece(data, tensor.offset * unit, steps, chunk.start, tensor.shape)

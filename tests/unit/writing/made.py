"""Storages, tensors and checkpoints made by hand, for the tests of `converter.writing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from converter.byteio.source import ByteSource


def storage(content: bytes | ByteSource | None, *, big_endian: bool = False) -> Storage:
    source = MemorySource(content, "made") if isinstance(content, bytes) else content
    nbytes = 0 if source is None else source.nbytes
    return Storage("0", source, nbytes, None, "cpu", big_endian=big_endian)


def view(
    of: Storage,
    dtype: str,
    shape: tuple[int, ...],
    stride: tuple[int, ...] | None = None,
    offset: int = 0,
) -> TensorRef:
    return TensorRef(of, BY_NAME[dtype], shape, stride or row_major(shape), offset)


def tensor(content: bytes, dtype: str, *shape: int) -> TensorRef:
    """Return a contiguous tensor over bytes of its own."""
    return view(storage(content), dtype, shape)


def floats(count: int = 1) -> TensorRef:
    return tensor(bytes(range(4 * count)), "float32", count)


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    stride = []
    step = 1
    for size in reversed(shape):
        stride.append(step)
        step *= max(size, 1)
    return tuple(reversed(stride))


def checkpoint(*, bare: bool = False, **components: Mapping[str, TensorRef]) -> Checkpoint:
    return of_components(list(components.items()), bare=bare)


def of_components(
    components: Sequence[tuple[str, Mapping[str, TensorRef]]], *, bare: bool = False
) -> Checkpoint:
    made = tuple(
        Component(name, ComponentKind.MODEL, (name,), None, dict(tensors))
        for name, tensors in components
    )
    opened = Opened(MemorySource(b"", "made"), "zip")
    return Checkpoint(opened, "bundle", made, bare=bare)

"""Live tensors as numpy arrays, for who has no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from converter.checkpoint.live_arrays import array_of
from converter.checkpoint.live_memory import StorageMemory
from converter.checkpoint.live_values import InertObject
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME

if TYPE_CHECKING:
    from converter.checkpoint.storage import Storage
    from converter.checkpoint.values import CompositeTensor


class ArrayMaker:
    """Makes arrays of tensors; torch's other values become inert objects."""

    def __init__(self) -> None:
        """Begin with nothing in memory."""
        self.memory: Final = StorageMemory()

    def tensor(self, value: TensorRef) -> Any:  # noqa: ANN401 - numpy.ndarray
        """Return a dense tensor as an array."""
        return array_of(value, self.memory)

    def attach(self, tensor: Any, attributes: dict[str, Any]) -> None:  # noqa: ANN401
        """Do nothing: an array has no attributes."""

    def storage(self, value: Storage) -> Any:  # noqa: ANN401 - numpy.ndarray
        """Return the elements of a storage; bytes where it has no type."""
        dtype = value.dtype or BY_NAME["uint8"]
        numel = value.nbytes // dtype.itemsize
        return array_of(TensorRef(value, dtype, (numel,), (1,), 0), self.memory)

    def composite(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        """Return the parts as an inert object: numpy has no such arrays."""
        return inert_composite(value, inside)

    def size(self, items: list[Any]) -> tuple[int, ...]:
        """Return a size as the tuple it is."""
        return tuple(items)

    def plain(self, kind: str, fields: tuple[Any, ...]) -> InertObject:
        """Return one of torch's small values as data."""
        return InertObject(kind, args=fields)


def inert_composite(value: CompositeTensor, inside: dict[str, Any]) -> InertObject:
    """Return a tensor of several parts as data: its parts are live."""
    dtype = None if value.dtype is None else repr(value.dtype)
    args = (value.kind, dtype, value.shape, value.requires_grad)
    return InertObject(value.class_name, args=args, state=inside)

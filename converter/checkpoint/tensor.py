"""A tensor by reference: shape, strides and a storage, never an array.

Offsets and strides count elements of the tensor's own dtype, as in torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.errors import LimitError, TensorError

if TYPE_CHECKING:
    from converter.checkpoint.storage import Storage
    from converter.checkpoint.values import Value
    from converter.dtypes import DType
    from converter.limits import Limits

TENSOR_CLASS: Final = "torch.Tensor"
PARAMETER_CLASS: Final = "torch.nn.parameter.Parameter"
ARRAY_CLASS: Final = "numpy.ndarray"


# Nothing sets a field of a tensor or a storage once it is made: `Final` lets the type checker see
# to that. A frozen dataclass, which sees to it at run time, takes four to nine times as long to
# make, for it sets every field through `object.__setattr__`: a tenth of planning 100,000 tensors.
@dataclass(slots=True, eq=False)
class TensorRef:
    """A dense strided tensor, by reference.

    Attributes:
        storage: where its bytes lie.
        dtype: element type.
        shape: sizes, in elements.
        stride: steps between neighbours, in elements; never negative.
        offset: first element, in elements of `dtype` from the start of the storage.
        conj: the stored imaginary parts are negated when read.
        neg: the stored values are negated when read.
        requires_grad: as saved.
        class_name: the class it was saved as.
        attributes: what else was set on it (hooks, a subclass's state), or None.
    """

    storage: Final[Storage]
    dtype: Final[DType]
    shape: Final[tuple[int, ...]]
    stride: Final[tuple[int, ...]]
    offset: Final[int]
    conj: Final[bool] = False
    neg: Final[bool] = False
    requires_grad: Final[bool] = False
    class_name: Final[str] = TENSOR_CLASS
    attributes: Final[Value] = None

    @property
    def numel(self) -> int:
        """Return the number of elements; exact for any shape."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def nbytes(self) -> int:
        """Return the bytes of its contiguous form."""
        dtype = self.dtype
        count = 1
        for size in self.shape:
            count *= size
        if dtype.packed != 1:
            count = (count + dtype.packed - 1) // dtype.packed
        return count * dtype.itemsize

    @property
    def is_contiguous(self) -> bool:
        """Return whether its elements lie in row-major order without gaps."""
        expected = 1
        for size, step in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if size == 0:
                return True
            if size != 1:
                if step != expected:
                    return False
                expected *= size
        return True

    @property
    def byte_range(self) -> tuple[int, int]:
        """Return (start, stop), half-open, of the bytes it touches in its storage."""
        return byte_range(self.dtype, self.shape, self.stride, self.offset)

    def view_key(self) -> tuple[object, ...]:
        """Return what two exact aliases have in common: the same view of the same storage."""
        return (
            id(self.storage),
            self.dtype.name,
            self.shape,
            self.stride,
            self.offset,
            self.conj,
            self.neg,
        )


def byte_range(
    dtype: DType, shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> tuple[int, int]:
    """Return (start, stop), half-open, of the bytes such a view touches in its storage.

    An empty tensor touches none, whatever its offset (torch accepts any).
    """
    last = offset
    for size, step in zip(shape, stride, strict=True):
        if size == 0:
            return (0, 0)
        last += (size - 1) * step
    if dtype.packed != 1:
        # Sub-byte types: torch counts values in the shape and bytes in the storage.
        return (offset // dtype.packed * dtype.itemsize, last // dtype.packed + 1)
    return (offset * dtype.itemsize, (last + 1) * dtype.itemsize)


def check_bounds(tensor: TensorRef, limits: Limits, where: str) -> None:
    """Raise unless the tensor lies inside its storage and is not absurdly expanded.

    Python's integers do not overflow, so this is exact for any numbers in the file.

    Raises:
        TensorError: sizes or strides are negative, or an element lies outside the storage.
        LimitError: overlapping elements make it larger than its storage by more than
            `Limits.max_overlap_bytes`.
    """
    shape, stride = tensor.shape, tensor.stride
    if len(shape) != len(stride):
        raise TensorError(
            "tensor with sizes and strides of different length",
            record=where,
            expected=f"{len(shape)} strides",
            found=str(len(stride)),
        )
    if len(shape) > limits.max_dims:
        raise LimitError("max_dims", allowed=limits.max_dims, found=len(shape), record=where)
    if tensor.offset < 0 or (shape and (min(shape) < 0 or min(stride) < 0)):
        raise TensorError(
            "tensor with a negative size, stride or offset",
            record=where,
            expected="numbers from 0 up",
            found=f"size {shape}, stride {stride}, offset {tensor.offset}",
        )
    stop = byte_range(tensor.dtype, shape, stride, tensor.offset)[1]
    nbytes = tensor.storage.nbytes
    if stop > nbytes:
        raise TensorError(
            "tensor outside its storage",
            record=where,
            expected=f"at most {nbytes} bytes in storage {tensor.storage.key}",
            found=f"an element that ends at byte {stop}",
        )
    if 0 in stride and tensor.nbytes - nbytes > limits.max_overlap_bytes:
        raise LimitError(
            "max_overlap_bytes",
            allowed=limits.max_overlap_bytes,
            found=tensor.nbytes - nbytes,
            record=where,
        )

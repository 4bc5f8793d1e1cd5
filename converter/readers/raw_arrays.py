"""Numpy arrays whose elements lie in the file as they are: joblib's, and those of .npy files."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import ARRAY_CLASS, TensorRef, check_bounds
from converter.checkpoint.values import ArrayValue, PlainValue, SequenceValue
from converter.errors import LimitError, TensorError
from converter.readers.rebuild.numpy_values import contiguous_stride, element_type

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import Value
    from converter.limits import Limits

# numpy/ndarraytypes.h, NPY_ITEM_HASOBJECT: the elements are references to objects.
_HAS_OBJECTS: Final = 0x01
_CODE: Final = re.compile(r"[a-zA-Z?]([0-9]{1,9})")
# Where the parts of a dtype's state stand: version, order, subdtype, names, fields, itemsize,
# alignment, flags.
_ITEMSIZE: Final = 5
_FLAGS: Final = 7


def has_objects(description: PlainValue) -> bool:
    """Return whether elements of this dtype are references to Python objects."""
    flags = _part(description, _FLAGS)
    code = description.fields[0]
    by_code = isinstance(code, str) and code[:1] == "O"
    return by_code or (isinstance(flags, int) and bool(flags & _HAS_OBJECTS))


def itemsize_of(description: PlainValue) -> int | None:
    """Return the bytes of one element, or None where the description does not tell."""
    known = element_type(description)
    if known is not None:
        return known[0].itemsize
    stated = _part(description, _ITEMSIZE)
    if isinstance(stated, int) and stated >= 0:
        return stated
    code = description.fields[0]
    match = _CODE.fullmatch(code) if isinstance(code, str) else None
    return int(match[1]) if match else None


def nbytes_of(description: PlainValue, shape: tuple[int, ...], limits: Limits) -> int:
    """Return the bytes of an array.

    Raises:
        LimitError: it has more dimensions than the limits allow.
        TensorError: a size is negative, or the dtype has no size that is known.
    """
    if len(shape) > limits.max_dims:
        raise LimitError("max_dims", allowed=limits.max_dims, found=len(shape))
    itemsize = itemsize_of(description)
    if itemsize is None or min(shape, default=0) < 0:
        raise TensorError(
            "array of unknown size",
            expected="a dtype of known size and sizes from 0 up",
            found=f"dtype {str(description.fields[0])[:40]!r}, shape {shape}",
        )
    return math.prod(shape) * itemsize


def windowed_array(
    data: ByteSource,
    description: PlainValue,
    shape: tuple[int, ...],
    limits: Limits,
    *,
    fortran: bool,
    class_name: str = ARRAY_CLASS,
) -> Value:
    """Return the array over `data`: a tensor that refers to it, or else its bytes as a value.

    Args:
        data: exactly the elements.
        description: their inert dtype.
        shape: sizes, checked by `nbytes_of`.
        limits: how many bytes a value may have.
        fortran: whether the elements are in column-major order.
        class_name: the class it was saved as.

    Raises:
        LimitError: it can only be a value, and is longer than `Limits.max_string_bytes`.
    """
    known = element_type(description)
    if known is not None and shape:
        dtype, big_endian = known
        storage = Storage("numpy", data, data.nbytes, dtype, "cpu", big_endian)
        stride = contiguous_stride(shape, fortran=fortran)
        tensor = TensorRef(storage, dtype, shape, stride, 0, class_name=class_name)
        check_bounds(tensor, limits, data.name)
        return tensor
    if data.nbytes > limits.max_string_bytes:
        raise LimitError("max_string_bytes", allowed=limits.max_string_bytes, found=data.nbytes)
    content = data.read_at(0, data.nbytes)
    return ArrayValue(description, shape, fortran, content, class_name=class_name)


def _part(description: PlainValue, index: int) -> Value:
    state = description.fields[2]
    if isinstance(state, SequenceValue) and index < len(state.items):
        return state.items[index]
    return None

"""How a tensor's type and sizes are said in safetensors, which lacks some of torch's types.

What it lacks is stored as the nearest type with the same bytes, so that an encoding never
changes a bit and `TensorRef.dtype` is all that is needed to undo it:

====================================  =====  ==============================================
torch                                 as     sizes
====================================  =====  ==============================================
complex128, complex32                 F64,   one more dimension of 2 at the end: real, imaginary
                                      F16
bits8, bits1x8, bits2x4, bits4x2      U8     the same
bits16                                U16    the same
qint8, quint8, qint32                 I8,    the same; scale and zero point are other values
                                      U8,
                                      I32
quint4x2, quint2x4                    U8     one dimension: the packed bytes
float4_e2m1fn_x2 without dimensions   U8     the same (the format counts F4 values in pairs)
====================================  =====  ==============================================
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.dtypes import BY_NAME
from converter.errors import UnsupportedError

if TYPE_CHECKING:
    from converter.checkpoint.tensor import TensorRef
    from converter.dtypes import DType

_MAX_COUNT: Final = (1 << 64) - 1
_PAIRS: Final = {"complex128": "F64", "complex32": "F16"}
_SAME_BYTES: Final = {
    "bits8": "U8",
    "bits1x8": "U8",
    "bits2x4": "U8",
    "bits4x2": "U8",
    "bits16": "U16",
    "qint8": "I8",
    "quint8": "U8",
    "qint32": "I32",
}
# torch negates these and no others ("neg_cpu" is not implemented for the rest, torch 2.13).
_NEGATABLE: Final = frozenset(
    {
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "complex128",
        "complex64",
        "complex32",
    }
)


# Types that stand as they are: torch name → the format's. F4 counts values, torch counts pairs.
_SAID: Final = {
    dtype.name: dtype.safetensors
    for dtype in BY_NAME.values()
    if dtype.safetensors not in (None, "F4") and dtype.packed == 1
}


class Encoded(NamedTuple):
    """A tensor as a safetensors header describes it.

    Attributes:
        dtype: the format's name of the type.
        shape: sizes as written.
        nbytes: bytes in the data section.
        encoding: what was done, for people and documents (``complex128 as F64 pairs``); None
            where the format says the tensor's own type and sizes.
    """

    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    encoding: str | None


def encode_type(tensor: TensorRef, where: str) -> Encoded:
    """Return how `tensor` is written; `where` is its name, for messages.

    Raises:
        UnsupportedError: `check_readable` refuses the tensor, or the format cannot say its sizes.
    """
    dtype, shape = tensor.dtype, tensor.shape
    said = _SAID.get(dtype.name)
    if said and not (tensor.conj or tensor.neg) and tensor.storage.data is not None:
        as_it_is = _as_it_is(said, shape, dtype.itemsize)
        if as_it_is.nbytes:
            return as_it_is
    check_readable(tensor, where)
    if dtype.packed != 1:
        return _encoded(tensor, "U8", (tensor.nbytes,), f"{dtype.name} as packed U8")
    if dtype.name == "float4_e2m1fn_x2":
        if not shape:
            return _encoded(tensor, "U8", shape, f"{dtype.name} as U8")
        return _encoded(tensor, "F4", (*shape[:-1], 2 * shape[-1]), None)
    if dtype.name in _PAIRS:
        name = _PAIRS[dtype.name]
        return _encoded(tensor, name, (*shape, 2), f"{dtype.name} as {name} pairs")
    if dtype.name in _SAME_BYTES:
        name = _SAME_BYTES[dtype.name]
        return _encoded(tensor, name, shape, f"{dtype.name} as {name}")
    if dtype.safetensors is None:
        raise UnsupportedError(
            "element type without an encoding", record=where, found=f"torch.{dtype.name}"
        )
    return _encoded(tensor, dtype.safetensors, shape, None)


@lru_cache(maxsize=1024)  # many tensors have one of few shapes
def _as_it_is(said: str, shape: tuple[int, ...], itemsize: int) -> Encoded:
    return Encoded(said, shape, math.prod(shape) * itemsize, None)


def check_readable(tensor: TensorRef, where: str) -> None:
    """Raise unless the bytes of the tensor's contiguous form are known.

    Raises:
        UnsupportedError: the storage has no bytes (the meta device); a type of several values
            per byte is not contiguous; a conj or neg bit stands on a type that torch itself
            cannot resolve it for.
    """
    dtype = tensor.dtype
    if tensor.storage.data is None and tensor.nbytes:
        left_out = tensor.storage.left_out
        found = "a conversion that left it out" if left_out else "the meta device"
        raise UnsupportedError("tensor without bytes", record=where, found=found)
    if dtype.packed != 1 and not (tensor.is_contiguous and tensor.offset % dtype.packed == 0):
        raise UnsupportedError(
            "strided view of packed values",
            record=where,
            expected="a contiguous tensor that starts at a whole byte",
            found=f"{dtype!r} of stride {tensor.stride}, offset {tensor.offset}",
        )
    if tensor.neg and dtype.name not in _NEGATABLE:
        raise _unresolvable("neg", dtype, where)
    if tensor.conj and not dtype.is_complex:
        raise _unresolvable("conj", dtype, where)


def _encoded(
    tensor: TensorRef, dtype: str, shape: tuple[int, ...], encoding: str | None
) -> Encoded:
    if not tensor.nbytes:
        _check_countable(shape)
    return Encoded(dtype, shape, tensor.nbytes, encoding)


def _check_countable(shape: tuple[int, ...]) -> None:
    """Refuse sizes whose product, from the left, leaves the format's 64 bits before a zero ends it.

    Only a tensor without elements can have such sizes and a place in a file; the reference reads
    none (safetensors/src/tensor.rs, 0.8.0: a checked product).
    """
    count = 1
    for size in shape:
        count *= size
        if count > _MAX_COUNT:
            raise UnsupportedError(
                "empty tensor too large for the format",
                expected="sizes whose product stays below 2^64 from the left",
                found=str(list(shape)),
            )


def _unresolvable(bit: str, dtype: DType, where: str) -> UnsupportedError:
    return UnsupportedError(
        f"{bit} bit on a type that has no such operation", record=where, found=repr(dtype)
    )

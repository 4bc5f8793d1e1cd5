"""How each torch dtype must stand in a safetensors file, said a second time.

The format has no word for some of torch's types. Their bytes are stored under another type:

========================  =======  ==============================================
torch                     stored   shape
========================  =======  ==============================================
complex128                F64      one more dimension of 2: real, imaginary
complex32                 F16      one more dimension of 2: real, imaginary
bits8 bits1x8 bits2x4     U8       its own
bits4x2                   U8       its own
bits16                    U16      its own
qint8 quint8 qint32       I8 …     its own
quint4x2 quint2x4         U8       one dimension: the packed bytes
float4_e2m1fn_x2          F4       the last dimension doubled; without one, U8
========================  =======  ==============================================
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from converter.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_STORED_AS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "float64": "F64",
        "float32": "F32",
        "float16": "F16",
        "bfloat16": "BF16",
        "int64": "I64",
        "int32": "I32",
        "int16": "I16",
        "int8": "I8",
        "uint64": "U64",
        "uint32": "U32",
        "uint16": "U16",
        "uint8": "U8",
        "bool": "BOOL",
        "complex64": "C64",
        "complex128": "F64",
        "complex32": "F16",
        "float8_e4m3fn": "F8_E4M3",
        "float8_e5m2": "F8_E5M2",
        "float8_e4m3fnuz": "F8_E4M3FNUZ",
        "float8_e5m2fnuz": "F8_E5M2FNUZ",
        "float8_e8m0fnu": "F8_E8M0",
        "float4_e2m1fn_x2": "F4",
        "bits8": "U8",
        "bits1x8": "U8",
        "bits2x4": "U8",
        "bits4x2": "U8",
        "bits16": "U16",
        "qint8": "I8",
        "quint8": "U8",
        "qint32": "I32",
        "quint4x2": "U8",
        "quint2x4": "U8",
    }
)
VALUES_PER_BYTE: Final[Mapping[str, int]] = MappingProxyType({"quint4x2": 2, "quint2x4": 4})
"""torch dtypes whose shape counts values and whose storage counts bytes."""


def stored_as(dtype: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Return the safetensors dtype and shape that a torch dtype and shape must have.

    Args:
        dtype: torch's name, without the prefix.
        shape: sizes as torch gives them.

    Raises:
        UnsupportedError: nothing is known of such a dtype.
    """
    stored = _STORED_AS.get(dtype)
    if stored is None:
        raise UnsupportedError("no way to store this dtype is known", found=dtype)
    if dtype in ("complex128", "complex32"):
        return stored, (*shape, 2)
    if dtype in VALUES_PER_BYTE:
        count = 1
        for size in shape:
            count *= size
        return stored, (-(-count // VALUES_PER_BYTE[dtype]),)
    if dtype == "float4_e2m1fn_x2":
        return (stored, (*shape[:-1], shape[-1] * 2)) if shape else ("U8", ())
    return stored, shape

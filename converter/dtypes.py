"""The one table of element types: torch, numpy and safetensors names, bits, byte-swap unit.

Sources: torch's storage classes and ``torch.dtype`` names (torch 2.13), the dtype list of the
safetensors format (0.8.0). A dtype without a safetensors name has no equivalent there.
"""

from __future__ import annotations

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class DType(Frozen):
    """An element type.

    Attributes:
        name: torch's name, without the ``torch.`` prefix.
        itemsize: bytes of one stored element, as ``tensor.element_size()`` gives it.
        swap: bytes of the unit that a change of byte order reverses (half of a complex).
        numpy: little-endian numpy type code of the same meaning, or None where numpy has none.
        safetensors: the format's name, or None where it has none.
        is_complex: whether conj changes the imaginary half.
        packed: how many logical values one stored element holds (quint4x2: 2).
    """

    name: str
    itemsize: int
    swap: int
    numpy: str | None
    safetensors: str | None = None
    is_complex: bool = False
    packed: int = 1

    def __repr__(self) -> str:
        """Return torch's spelling."""
        return f"torch.{self.name}"


_TABLE: Final = (
    DType("float64", 8, 8, "<f8", "F64"),
    DType("float32", 4, 4, "<f4", "F32"),
    DType("float16", 2, 2, "<f2", "F16"),
    DType("bfloat16", 2, 2, None, "BF16"),
    DType("int64", 8, 8, "<i8", "I64"),
    DType("int32", 4, 4, "<i4", "I32"),
    DType("int16", 2, 2, "<i2", "I16"),
    DType("int8", 1, 1, "|i1", "I8"),
    DType("uint64", 8, 8, "<u8", "U64"),
    DType("uint32", 4, 4, "<u4", "U32"),
    DType("uint16", 2, 2, "<u2", "U16"),
    DType("uint8", 1, 1, "|u1", "U8"),
    DType("bool", 1, 1, "|b1", "BOOL"),
    DType("complex64", 8, 4, "<c8", "C64", is_complex=True),
    DType("complex128", 16, 8, "<c16", None, is_complex=True),
    DType("complex32", 4, 2, None, None, is_complex=True),
    DType("float8_e4m3fn", 1, 1, None, "F8_E4M3"),
    DType("float8_e5m2", 1, 1, None, "F8_E5M2"),
    DType("float8_e4m3fnuz", 1, 1, None, "F8_E4M3FNUZ"),
    DType("float8_e5m2fnuz", 1, 1, None, "F8_E5M2FNUZ"),
    DType("float8_e8m0fnu", 1, 1, None, "F8_E8M0"),
    # safetensors counts the two 4-bit values, so the last dimension doubles in its header.
    DType("float4_e2m1fn_x2", 1, 1, None, "F4"),
    DType("bits8", 1, 1, None),
    DType("bits16", 2, 2, None),
    DType("bits1x8", 1, 1, None),
    DType("bits2x4", 1, 1, None),
    DType("bits4x2", 1, 1, None),
    DType("qint8", 1, 1, "|i1"),
    DType("quint8", 1, 1, "|u1"),
    DType("qint32", 4, 4, "<i4"),
    DType("quint4x2", 1, 1, None, packed=2),
    DType("quint2x4", 1, 1, None, packed=4),
)

BY_NAME: Final[dict[str, DType]] = {dtype.name: dtype for dtype in _TABLE}
"""torch name without prefix → dtype."""

BY_SAFETENSORS: Final[dict[str, DType]] = {d.safetensors: d for d in _TABLE if d.safetensors}
"""safetensors name → dtype. F4 means float4_e2m1fn_x2."""

BY_STORAGE_CLASS: Final[dict[str, DType]] = {
    "DoubleStorage": BY_NAME["float64"],
    "FloatStorage": BY_NAME["float32"],
    "HalfStorage": BY_NAME["float16"],
    "BFloat16Storage": BY_NAME["bfloat16"],
    "LongStorage": BY_NAME["int64"],
    "IntStorage": BY_NAME["int32"],
    "ShortStorage": BY_NAME["int16"],
    "CharStorage": BY_NAME["int8"],
    "ByteStorage": BY_NAME["uint8"],
    "BoolStorage": BY_NAME["bool"],
    "ComplexDoubleStorage": BY_NAME["complex128"],
    "ComplexFloatStorage": BY_NAME["complex64"],
    "QInt8Storage": BY_NAME["qint8"],
    "QUInt8Storage": BY_NAME["quint8"],
    "QInt32Storage": BY_NAME["qint32"],
    "QUInt4x2Storage": BY_NAME["quint4x2"],
    "QUInt2x4Storage": BY_NAME["quint2x4"],
}
"""Legacy storage class name (any of torch, torch.cuda, torch.storage) → dtype."""

UNTYPED_STORAGE_CLASSES: Final = frozenset({"UntypedStorage", "_UntypedStorage"})
"""Storage classes whose persistent id counts bytes."""

ALIASES: Final[dict[str, str]] = {
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "chalf": "complex32",
    "cfloat": "complex64",
    "cdouble": "complex128",
}
"""torch's second names for dtypes; pickles normally hold the first."""

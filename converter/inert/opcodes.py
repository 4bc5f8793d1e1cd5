"""The opcodes of pickle protocols 0 to 5: byte, name, protocol and kind of argument.

The numbers are those of CPython's ``Lib/pickle.py``; tests compare the table with ``pickletools``.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final


class Argument(Enum):
    """What follows an opcode byte; the value is the width of its fixed part, in bytes.

    Numbers are little-endian, except the float. ``COUNTED_*`` is a length of that many bytes
    and then as many bytes as it says; a line ends with a newline and has no fixed part.
    """

    def __init__(self, _label: str, fixed_nbytes: int) -> None:
        self.fixed_nbytes: Final = fixed_nbytes

    NONE = ("none", 0)
    UINT1 = ("uint1", 1)
    UINT2 = ("uint2", 2)
    UINT4 = ("uint4", 4)
    UINT8 = ("uint8", 8)
    INT4 = ("int4", 4)
    FLOAT8 = ("float8", 8)
    LINE = ("line", 0)
    LINE_PAIR = ("line pair", 0)
    COUNTED_1 = ("counted by 1 byte", 1)
    COUNTED_4 = ("counted by 4 bytes", 4)
    COUNTED_8 = ("counted by 8 bytes", 8)


COUNTED: Final = frozenset({Argument.COUNTED_1, Argument.COUNTED_4, Argument.COUNTED_8})
"""Arguments that are a length and then as many bytes."""

LINES: Final[Mapping[Argument, int]] = MappingProxyType({Argument.LINE: 1, Argument.LINE_PAIR: 2})
"""Arguments that are lines → how many."""


class Opcode(Frozen):
    """One opcode.

    Attributes:
        byte: its value in the stream.
        name: as in ``Lib/pickle.py``, except that 0x88 and 0x89 are NEWTRUE and NEWFALSE.
        protocol: the first protocol that has it.
        argument: what follows it in the stream.
    """

    byte: int
    name: str
    protocol: int
    argument: Argument


OPCODES: Final = (
    Opcode(0x28, "MARK", 0, Argument.NONE),
    Opcode(0x29, "EMPTY_TUPLE", 1, Argument.NONE),
    Opcode(0x2E, "STOP", 0, Argument.NONE),
    Opcode(0x30, "POP", 0, Argument.NONE),
    Opcode(0x31, "POP_MARK", 1, Argument.NONE),
    Opcode(0x32, "DUP", 0, Argument.NONE),
    Opcode(0x42, "BINBYTES", 3, Argument.COUNTED_4),
    Opcode(0x43, "SHORT_BINBYTES", 3, Argument.COUNTED_1),
    Opcode(0x46, "FLOAT", 0, Argument.LINE),
    Opcode(0x47, "BINFLOAT", 1, Argument.FLOAT8),
    Opcode(0x49, "INT", 0, Argument.LINE),
    Opcode(0x4A, "BININT", 1, Argument.INT4),
    Opcode(0x4B, "BININT1", 1, Argument.UINT1),
    Opcode(0x4C, "LONG", 0, Argument.LINE),
    Opcode(0x4D, "BININT2", 1, Argument.UINT2),
    Opcode(0x4E, "NONE", 0, Argument.NONE),
    Opcode(0x50, "PERSID", 0, Argument.LINE),
    Opcode(0x51, "BINPERSID", 1, Argument.NONE),
    Opcode(0x52, "REDUCE", 0, Argument.NONE),
    Opcode(0x53, "STRING", 0, Argument.LINE),
    Opcode(0x54, "BINSTRING", 1, Argument.COUNTED_4),
    Opcode(0x55, "SHORT_BINSTRING", 1, Argument.COUNTED_1),
    Opcode(0x56, "UNICODE", 0, Argument.LINE),
    Opcode(0x58, "BINUNICODE", 1, Argument.COUNTED_4),
    Opcode(0x5D, "EMPTY_LIST", 1, Argument.NONE),
    Opcode(0x61, "APPEND", 0, Argument.NONE),
    Opcode(0x62, "BUILD", 0, Argument.NONE),
    Opcode(0x63, "GLOBAL", 0, Argument.LINE_PAIR),
    Opcode(0x64, "DICT", 0, Argument.NONE),
    Opcode(0x65, "APPENDS", 1, Argument.NONE),
    Opcode(0x67, "GET", 0, Argument.LINE),
    Opcode(0x68, "BINGET", 1, Argument.UINT1),
    Opcode(0x69, "INST", 0, Argument.LINE_PAIR),
    Opcode(0x6A, "LONG_BINGET", 1, Argument.UINT4),
    Opcode(0x6C, "LIST", 0, Argument.NONE),
    Opcode(0x6F, "OBJ", 1, Argument.NONE),
    Opcode(0x70, "PUT", 0, Argument.LINE),
    Opcode(0x71, "BINPUT", 1, Argument.UINT1),
    Opcode(0x72, "LONG_BINPUT", 1, Argument.UINT4),
    Opcode(0x73, "SETITEM", 0, Argument.NONE),
    Opcode(0x74, "TUPLE", 0, Argument.NONE),
    Opcode(0x75, "SETITEMS", 1, Argument.NONE),
    Opcode(0x7D, "EMPTY_DICT", 1, Argument.NONE),
    Opcode(0x80, "PROTO", 2, Argument.UINT1),
    Opcode(0x81, "NEWOBJ", 2, Argument.NONE),
    Opcode(0x82, "EXT1", 2, Argument.UINT1),
    Opcode(0x83, "EXT2", 2, Argument.UINT2),
    Opcode(0x84, "EXT4", 2, Argument.INT4),
    Opcode(0x85, "TUPLE1", 2, Argument.NONE),
    Opcode(0x86, "TUPLE2", 2, Argument.NONE),
    Opcode(0x87, "TUPLE3", 2, Argument.NONE),
    Opcode(0x88, "NEWTRUE", 2, Argument.NONE),
    Opcode(0x89, "NEWFALSE", 2, Argument.NONE),
    Opcode(0x8A, "LONG1", 2, Argument.COUNTED_1),
    Opcode(0x8B, "LONG4", 2, Argument.COUNTED_4),
    Opcode(0x8C, "SHORT_BINUNICODE", 4, Argument.COUNTED_1),
    Opcode(0x8D, "BINUNICODE8", 4, Argument.COUNTED_8),
    Opcode(0x8E, "BINBYTES8", 4, Argument.COUNTED_8),
    Opcode(0x8F, "EMPTY_SET", 4, Argument.NONE),
    Opcode(0x90, "ADDITEMS", 4, Argument.NONE),
    Opcode(0x91, "FROZENSET", 4, Argument.NONE),
    Opcode(0x92, "NEWOBJ_EX", 4, Argument.NONE),
    Opcode(0x93, "STACK_GLOBAL", 4, Argument.NONE),
    Opcode(0x94, "MEMOIZE", 4, Argument.NONE),
    Opcode(0x95, "FRAME", 4, Argument.UINT8),
    Opcode(0x96, "BYTEARRAY8", 5, Argument.COUNTED_8),
    Opcode(0x97, "NEXT_BUFFER", 5, Argument.NONE),
    Opcode(0x98, "READONLY_BUFFER", 5, Argument.NONE),
)

BY_BYTE: Final[Mapping[int, Opcode]] = MappingProxyType({code.byte: code for code in OPCODES})

HIGHEST_PROTOCOL: Final = 5

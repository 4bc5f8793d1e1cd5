"""The opcodes that push a plain value: None, booleans, numbers, text and bytes.

Every operand is read where it stands in the window; `Window.counted` fetches what reaches beyond.
"""

from __future__ import annotations

from struct import Struct

from converter.errors import LimitError, PickleError
from converter.inert import literals
from converter.inert.nodes import ByteArrayNode, ByteString

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final

    from converter.inert.processor import Handler, Processor

_uint2: Final = Struct("<H").unpack_from
_uint4: Final = Struct("<I").unpack_from
_uint8: Final = Struct("<Q").unpack_from
_int4: Final = Struct("<i").unpack_from
_float8: Final = Struct(">d").unpack_from
_MAX_C_SIZE: Final = (1 << 63) - 1
_MAX_C_INT: Final = (1 << 31) - 1


def _none(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack.append(None)
    return position


def _newtrue(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack.append(True)
    return position


def _newfalse(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack.append(False)
    return position


def _binint(processor: Processor, data: bytes, position: int) -> int:
    processor.stack.append(_int4(data, position)[0])
    return position + 4


def _binint1(processor: Processor, data: bytes, position: int) -> int:
    processor.stack.append(data[position])
    return position + 1


def _binint2(processor: Processor, data: bytes, position: int) -> int:
    processor.stack.append(_uint2(data, position)[0])
    return position + 2


def _binfloat(processor: Processor, data: bytes, position: int) -> int:
    processor.stack.append(_float8(data, position)[0])
    return position + 8


def numeral(
    processor: Processor, data: bytes, position: int, is_plain: Callable[[bytes], object]
) -> tuple[bytes, int]:
    """Return a line that should be a numeral, and the position behind it.

    Raises:
        PickleError: it is empty.
        LimitError: it has more digits than `Limits.max_decimal_digits`.
    """
    offset = processor.origin + position
    line, following = processor.line(data, position)
    if not line:
        raise PickleError("an operand is empty", expected="a numeral", found="an empty line")
    digits = len(line.lstrip(b"+-").removesuffix(b"L"))
    if digits > processor.limits.max_decimal_digits:
        raise LimitError(
            "max_decimal_digits", allowed=processor.limits.max_decimal_digits, found=digits
        )
    if not is_plain(line):
        detail = f"{line[:40]!r}: a spelling that no pickler uses and unpicklers disagree about"
        processor.note("numeral_unusual", detail, offset=offset)
    return line, following


def _int(processor: Processor, data: bytes, position: int) -> int:
    line, position = numeral(processor, data, position, literals.is_plain_int)
    processor.stack.append(literals.parse_int(line))
    return position


def _long(processor: Processor, data: bytes, position: int) -> int:
    line, position = numeral(processor, data, position, literals.is_plain_long)
    processor.stack.append(literals.parse_long(line))
    return position


def _float(processor: Processor, data: bytes, position: int) -> int:
    line, position = numeral(processor, data, position, literals.is_plain_float)
    processor.stack.append(literals.parse_float(line))
    return position


def _counted_long(processor: Processor, data: bytes, position: int, nbytes: int) -> int:
    """Push the two's complement, little-endian integer of `nbytes` bytes."""
    if nbytes < 0:
        raise PickleError("a length is negative", expected="0 or more bytes", found=str(nbytes))
    if nbytes > processor.limits.max_long_bytes:
        raise LimitError("max_long_bytes", allowed=processor.limits.max_long_bytes, found=nbytes)
    stop = position + nbytes
    raw = data[position:stop]
    if stop > len(data):
        raw, stop = processor.counted(position, nbytes)
    processor.stack.append(int.from_bytes(raw, "little", signed=True))
    return stop


def _long1(processor: Processor, data: bytes, position: int) -> int:
    return _counted_long(processor, data, position + 1, data[position])


def _long4(processor: Processor, data: bytes, position: int) -> int:
    return _counted_long(processor, data, position + 4, _int4(data, position)[0])


def _counted_text(processor: Processor, data: bytes, position: int, nbytes: int) -> int:
    """Push `nbytes` bytes of UTF-8, in which surrogates may stand."""
    stop = position + nbytes
    if stop > len(data) or nbytes > processor.max_string_bytes:
        raw, stop = processor.counted(position, nbytes)
    else:
        raw = data[position:stop]
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "surrogatepass")
    processor.stack.append(text)
    return stop


def _short_binunicode(processor: Processor, data: bytes, position: int) -> int:
    return _counted_text(processor, data, position + 1, data[position])


def _binunicode(processor: Processor, data: bytes, position: int) -> int:
    # Written out, like nothing else: half of the operands of a checkpoint are these.
    start = position + 4
    nbytes: int = _uint4(data, position)[0]
    stop = start + nbytes
    if stop > len(data) or nbytes > processor.max_string_bytes:
        return _counted_text(processor, data, start, nbytes)
    try:
        processor.stack.append(data[start:stop].decode())
    except UnicodeDecodeError:
        return _counted_text(processor, data, start, nbytes)
    return stop


def _binunicode8(processor: Processor, data: bytes, position: int) -> int:
    return _counted_text(processor, data, position + 8, _length8(data, position))


def _length8(data: bytes, position: int) -> int:
    """Return a length of 8 bytes that fits C's Py_ssize_t, as CPython demands."""
    nbytes: int = _uint8(data, position)[0]
    if nbytes > _MAX_C_SIZE:
        raise PickleError(
            "a length is impossible", expected=f"at most {_MAX_C_SIZE}", found=str(nbytes)
        )
    return nbytes


def _counted_bytes(
    processor: Processor, data: bytes, position: int, nbytes: int
) -> tuple[bytes, int]:
    """Return `nbytes` bytes and the position behind them."""
    stop = position + nbytes
    if stop > len(data) or nbytes > processor.max_string_bytes:
        return processor.counted(position, nbytes)
    return data[position:stop], stop


def _short_binbytes(processor: Processor, data: bytes, position: int) -> int:
    raw, position = _counted_bytes(processor, data, position + 1, data[position])
    processor.stack.append(raw)
    return position


def _binbytes(processor: Processor, data: bytes, position: int) -> int:
    raw, position = _counted_bytes(processor, data, position + 4, _uint4(data, position)[0])
    processor.stack.append(raw)
    return position


def _binbytes8(processor: Processor, data: bytes, position: int) -> int:
    raw, position = _counted_bytes(processor, data, position + 8, _length8(data, position))
    processor.stack.append(raw)
    return position


def _bytearray8(processor: Processor, data: bytes, position: int) -> int:
    offset = processor.origin + position
    raw, position = _counted_bytes(processor, data, position + 8, _length8(data, position))
    processor.stack.append(ByteArrayNode(offset, raw))
    return position


def _short_binstring(processor: Processor, data: bytes, position: int) -> int:
    raw, position = _counted_bytes(processor, data, position + 1, data[position])
    processor.stack.append(ByteString(raw))
    return position


def _binstring(processor: Processor, data: bytes, position: int) -> int:
    nbytes: int = _uint4(data, position)[0]
    if nbytes > _MAX_C_INT:
        # CPython's C unpickler reads the length unsigned, its Python unpickler signed.
        detail = f"a length of {nbytes} bytes, which is negative to some unpicklers"
        processor.note("binstring_length_signed", detail, offset=processor.origin + position)
    raw, position = _counted_bytes(processor, data, position + 4, nbytes)
    processor.stack.append(ByteString(raw))
    return position


def _string(processor: Processor, data: bytes, position: int) -> int:
    line, position = processor.line(data, position)
    processor.stack.append(ByteString(literals.parse_quoted(line)))
    return position


def _unicode(processor: Processor, data: bytes, position: int) -> int:
    line, position = processor.line(data, position)
    processor.stack.append(line.decode("raw-unicode-escape"))
    return position


HANDLERS: Final[Mapping[str, Handler]] = {
    "NONE": _none,
    "NEWTRUE": _newtrue,
    "NEWFALSE": _newfalse,
    "INT": _int,
    "BININT": _binint,
    "BININT1": _binint1,
    "BININT2": _binint2,
    "LONG": _long,
    "LONG1": _long1,
    "LONG4": _long4,
    "FLOAT": _float,
    "BINFLOAT": _binfloat,
    "STRING": _string,
    "BINSTRING": _binstring,
    "SHORT_BINSTRING": _short_binstring,
    "UNICODE": _unicode,
    "SHORT_BINUNICODE": _short_binunicode,
    "BINUNICODE": _binunicode,
    "BINUNICODE8": _binunicode8,
    "SHORT_BINBYTES": _short_binbytes,
    "BINBYTES": _binbytes,
    "BINBYTES8": _binbytes8,
    "BYTEARRAY8": _bytearray8,
}

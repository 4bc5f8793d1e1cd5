"""Plain values in JSON and back: the numbers, texts and bytes that JSON would bend."""

from __future__ import annotations

import math
import re
import struct
from typing import Final

from converter.checkpoint.tree_types import (
    BytesForm,
    ByteStringForm,
    EscapedText,
    FloatForm,
    IntForm,
)
from converter.errors import FormatError
from converter.inert.nodes import ByteString

# RFC 8259, section 6: integers in [-(2**53)+1, (2**53)-1] are interoperable "in the sense that
# implementations will agree exactly on their numeric values".
MAX_JSON_INT: Final = (1 << 53) - 1

# Longer integers are written in hexadecimal, which costs linear time to write and to read.
MAX_DECIMAL_BITS: Final = 256

_NEEDS_ESCAPE: Final = re.compile(r"[\\\ud800-\udfff]")
_ESCAPED: Final = re.compile(r"\\(\\|u(d[89a-f][0-9a-f]{2})|)")


def encode_int(value: int) -> int | IntForm:
    """Return an integer as a JSON number, or as digits where that would not be exact."""
    if -MAX_JSON_INT <= value <= MAX_JSON_INT:
        return value
    return IntForm(str(value) if value.bit_length() <= MAX_DECIMAL_BITS else hex(value))


def decode_int(form: int | IntForm) -> int:
    """Return the integer."""
    return form if isinstance(form, int) else int(form.value, 0)


def encode_float(value: float) -> float | FloatForm:
    """Return a float as a JSON number, or as its bits where JSON has none."""
    if math.isfinite(value) and (value or math.copysign(1.0, value) > 0.0):
        return value
    return FloatForm(float_bits(value).hex())


def decode_float(form: float | FloatForm) -> float:
    """Return the float, with every bit of a NaN."""
    if isinstance(form, float):
        return form
    (value,) = struct.unpack(">d", bytes.fromhex(form.bits))
    return float(value)


def float_bits(value: float) -> bytes:
    """Return the eight bytes of a double, most significant first."""
    return struct.pack(">d", value)


def encode_text(text: str) -> str | EscapedText:
    """Return text as a JSON string, or escaped where it has lone surrogates."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return EscapedText(_NEEDS_ESCAPE.sub(_escape, text))
    return text


def decode_text(form: str | EscapedText) -> str:
    """Return the text.

    Raises:
        FormatError: a backslash is followed by something else than an escape.
    """
    if isinstance(form, str):
        return form
    return _ESCAPED.sub(_unescape, form.escaped)


def encode_bytes(value: bytes) -> BytesForm | ByteStringForm:
    """Return bytes, or a Python 2 string, in the form of its own type."""
    if isinstance(value, ByteString):
        return ByteStringForm(value.decode("latin-1"))
    return BytesForm(value)


def decode_bytes(form: BytesForm | ByteStringForm) -> bytes:
    """Return the bytes, or the Python 2 string."""
    if isinstance(form, ByteStringForm):
        return ByteString(form.latin1.encode("latin-1"))
    return form.base64


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return "\\\\" if character == "\\" else f"\\u{ord(character):04x}"


def _unescape(match: re.Match[str]) -> str:
    if match.group(1) == "\\":
        return "\\"
    if not match.group(1):
        raise FormatError(
            "escaped text of a document",
            offset=match.start(),
            expected="\\\\ or \\udxxx after a backslash",
        )
    return chr(int(match.group(2), 16))

r"""The text operands of protocol 0, read as CPython's C unpickler reads them.

That reader hands numerals to ``strtol`` and friends, which know octal, hexadecimal, signs and
blanks and stop at a NUL byte; CPython's Python unpickler calls ``int`` and ``float`` and so reads
some of them differently. No pickler writes such numerals: `is_plain_*` tells them apart.

All functions take the operand without its newline, and raise ValueError.
"""

from __future__ import annotations

from converter.patterns import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Final

_PLAIN_INT: Final = lazy_pattern(rb"-?(0|[1-9][0-9]*)|00|01")
_PLAIN_LONG: Final = lazy_pattern(rb"-?(0|[1-9][0-9]*)L?")
_PLAIN_INDEX: Final = lazy_pattern(rb"0|[1-9][0-9]*")
_PLAIN_FLOAT: Final = lazy_pattern(rb"-?([0-9]+\.?[0-9]*(e[+-]?[0-9]+)?|inf|nan)")

_BLANKS: Final = rb"[ \t\n\v\f\r]*"
_STRTOL: Final = lazy_pattern(_BLANKS + rb"([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
_STRTOD: Final = lazy_pattern(
    rb"(?i)[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity|nan)"
)
_MAX_C_LONG: Final = (1 << 63) - 1

_ESCAPE: Final = lazy_pattern(rb"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|(.|\n))?")
_ESCAPED: Final = {
    b"\n": b"",
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


def is_plain_int(text: bytes) -> bool:
    """Return whether a pickler could have written an operand of INT like that."""
    return _PLAIN_INT.fullmatch(text) is not None


def is_plain_long(text: bytes) -> bool:
    """Return whether a pickler could have written an operand of LONG like that."""
    return _PLAIN_LONG.fullmatch(text) is not None


def is_plain_index(text: bytes) -> bool:
    """Return whether a pickler could have written an operand of GET or PUT like that."""
    return _PLAIN_INDEX.fullmatch(text) is not None


def is_plain_float(text: bytes) -> bool:
    """Return whether a pickler could have written an operand of FLOAT like that."""
    return _PLAIN_FLOAT.fullmatch(text) is not None


def _parse_c_long(text: bytes) -> int | None:
    """Return what ``strtol(text, &end, 0)`` gives if it takes all of `text`, else None."""
    if not text:
        return 0
    match = _STRTOL.fullmatch(text)
    if match is None:
        return None
    sign, hexadecimal, octal, decimal = match.groups()
    digits, base = (hexadecimal, 16) if hexadecimal else (octal or decimal, 8 if octal else 10)
    value = int(sign + digits, base)
    return value if -_MAX_C_LONG - 1 <= value <= _MAX_C_LONG else None


def parse_int(line: bytes) -> int:
    """Return the operand of INT: an int, or a bool for two characters that make 0 or 1."""
    text = line.partition(b"\0")[0]
    value = _parse_c_long(text)
    if value is None:
        return int(text, 0)
    if len(line) == 2 and value in (0, 1):
        return bool(value)
    return value


def parse_long(line: bytes) -> int:
    """Return the operand of LONG, with or without its L."""
    return int(line.removesuffix(b"L").partition(b"\0")[0], 0)


def parse_index(line: bytes) -> int:
    """Return the operand of GET or PUT; it may be negative or absurdly large."""
    return int(line.partition(b"\0")[0])


def parse_float(line: bytes) -> float:
    """Return the operand of FLOAT; a finite numeral beyond the range of a double is an error."""
    text = line.partition(b"\0")[0]
    match = _STRTOD.fullmatch(text)
    if match is None:
        msg = "not a numeral"
        raise ValueError(msg)
    value = float(text)
    if value in (float("inf"), float("-inf")) and match.group(3) is None:
        msg = "beyond the range of a double"
        raise ValueError(msg)
    return value


def _unescape(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, character = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if character is None:
        msg = "trailing backslash"
        raise ValueError(msg)
    if character == b"x":
        msg = "\\x without two hexadecimal digits"
        raise ValueError(msg)
    return _ESCAPED.get(character, b"\\" + character)


def parse_quoted(line: bytes) -> bytes:
    """Return the operand of STRING: quotes taken off, escapes decoded.

    ``codecs.escape_decode`` gives the same bytes, and a warning for each escape it does not know.
    """
    if len(line) < 2 or line[0] != line[-1] or line[0] not in b"'\"":
        msg = "not quoted"
        raise ValueError(msg)
    return _ESCAPE.sub(_unescape, line[1:-1])

"""What strings look like that may hold a pickle."""

from __future__ import annotations

from converter.patterns import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# A name looked up by a pickle of protocol 0: GLOBAL behind empty containers, or INST.
_NAMED: Final = (
    r"[(\]})l]{0,9}c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n"
    r"|\([^i]{0,99}\ni[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n"
)
# PROTO, or a compressed stream.
_BYTES: Final = lazy_pattern(
    rb"(?s)\x80[\x02-\x05]|\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08|BZh[1-9]|\xfd7zXZ|PK\x03\x04|"
    + _NAMED.encode()
)
_TEXT: Final = lazy_pattern(
    "(?s)\x80[\x02-\x05]|\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08|PK\x03\x04|" + _NAMED
)
# The same in base64.
_BASE64_TEXT: Final = r"gA[I-X]|eJ|eNo|eAE|eF4|H4sI|QlpoOT|/Td6WFo|UEsDB"
_BASE64: Final = lazy_pattern(_BASE64_TEXT)
_BASE64_BYTES: Final = lazy_pattern(_BASE64_TEXT.encode())
SHORTEST_BASE64: Final = 12
"""Characters; shorter ones hold nothing that is named."""
# What any of them begins with: most texts of a checkpoint begin otherwise.
_STARTS: Final = frozenset("\x80\x78\x1fP[(]})lcgeHQ/U")
# What some begin with; those that do not name something, and end a line with it.
_HEADS: Final = (
    *("\x80", "\x78\x01", "\x78\x5e", "\x78\x9c", "\x78\xda", "\x1f\x8b\x08", "PK\x03\x04"),
    *("gA", "eJ", "eN", "eA", "eF", "H4sI", "QlpoOT", "/Td6WFo", "UEsDB"),
)
_HEADS_BYTES: Final = (*(head.encode("latin-1") for head in _HEADS), b"BZh", b"\xfd7zXZ")


def is_blob(value: str | bytes) -> bool:
    """Return whether a string begins like a pickle, a compressed stream, or base64 of either."""
    if isinstance(value, str):
        if value[:1] not in _STARTS or not (value.startswith(_HEADS) or "\n" in value):
            return False
        return bool(_TEXT.match(value) or (_BASE64.match(value) and len(value) >= SHORTEST_BASE64))
    if not (value.startswith(_HEADS_BYTES) or b"\n" in value):
        return False
    return bool(
        _BYTES.match(value) or (_BASE64_BYTES.match(value) and len(value) >= SHORTEST_BASE64)
    )

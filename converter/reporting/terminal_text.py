"""Text that is safe to print: names and values from a file never steer the terminal."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
# Direction overrides and isolates reorder what stands around them (Unicode TR 36).
_BIDI: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Return text with control characters, surrogates and direction marks escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() and char not in _BIDI else char.encode("unicode_escape").decode()
        for char in text
    )


def size_text(nbytes: int) -> str:
    """Return a size for people: ``22 MiB``."""
    amount = float(nbytes)
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    if unit == "bytes":
        return f"{nbytes} bytes" if nbytes != 1 else "1 byte"
    return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"


def count_text(count: int, noun: str) -> str:
    """Return ``1 tensor`` or ``12 tensors``."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"


def table(rows: list[list[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as aligned lines; columns in `right` are aligned to the right."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def encodable(text: str) -> str:
    """Return text with what UTF-8 has no bytes for spelled out: names of files can hold that."""
    return text.encode("utf-8", "backslashreplace").decode()

"""Scans as a process does that has read nothing before."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from converter.risk import known_pickles, scanner
from converter.risk.gathering import layouts
from converter.risk.scanner import scan_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.byteio.source import ByteSource
    from converter.risk.report import FileReport

# Everything that a scan keeps of a file for those that follow.
_KEPT: Final[tuple[dict[Any, Any] | set[Any], ...]] = (
    layouts._KNOWN,  # noqa: SLF001
    known_pickles._KNOWN,  # noqa: SLF001
    scanner._LENGTHS,  # noqa: SLF001
)


@contextmanager
def nothing_known() -> Iterator[None]:
    """Forget what was read; afterwards what was known before is known again, and no more."""
    before: list[Any] = [kept.copy() for kept in _KEPT]
    for kept in _KEPT:
        kept.clear()
    try:
        yield
    finally:
        for kept, old in zip(_KEPT, before, strict=True):
            kept.clear()
            kept.update(old)


def scanned_afresh(source: ByteSource) -> FileReport:
    """Return the report of a source of which, and of whose like, nothing is known."""
    with nothing_known():
        return scan_source(source)

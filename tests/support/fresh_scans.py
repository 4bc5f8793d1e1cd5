"""Scans as a process does that has read nothing before."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from converter.risk import known_pickles, scanner
from converter.risk.gathering import known_layouts
from converter.risk.scanner import scan_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.byteio.source import ByteSource
    from converter.risk.report import FileReport


@contextmanager
def nothing_known() -> Iterator[None]:
    """Forget what was read; afterwards what was known before is known again, and no more.

    All that a scan keeps for those that follow is named here; what is missing is shown by the
    tests that begin a process.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_layouts, "_MEMO", known_layouts._Memo())  # noqa: SLF001
        patch.setattr(known_pickles, "_MEMO", known_pickles._Memo())  # noqa: SLF001
        patch.setattr(scanner, "_LENGTHS", set())
        yield


def scanned_afresh(source: ByteSource) -> FileReport:
    """Return the report of a source of which, and of whose like, nothing is known."""
    with nothing_known():
        return scan_source(source)

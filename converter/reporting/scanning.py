"""Scans paths and makes the document of what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from converter.progress import SilentProgress
from converter.reporting.scan_documents import ScanReport, scan_report
from converter.risk.scanner import iter_files, scan_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

    from converter.progress import Progress
    from converter.risk.report import FileReport


def scan_report_of(
    paths: Iterable[str | PathLike[str]],
    *,
    explained: bool = False,
    progress: Progress | None = None,
) -> ScanReport:
    """Scan files and folders, one file after the other."""
    files = list(iter_files(paths))
    return scan_report(_scanned(files, progress or SilentProgress(), explained=explained))


def _scanned(files: list[str], progress: Progress, *, explained: bool) -> Iterator[FileReport]:
    progress.begin("scanning", sum(map(_nbytes, files)))
    try:
        for file in files:
            yield scan_file(file, explained=explained)
            progress.advance(_nbytes(file))
    finally:
        progress.end()


def _nbytes(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except (OSError, ValueError):
        return 0

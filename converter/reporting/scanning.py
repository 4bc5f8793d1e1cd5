"""Scans paths and makes the document of what was found."""

from __future__ import annotations

import os

from converter.progress import SilentProgress
from converter.risk.scanner import iter_files, scan_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from typing import Final

    from converter.progress import Progress
    from converter.reporting.scan_documents import ScanReport
    from converter.risk.report import FileReport

# A process takes as long to start as it takes to scan about this many small files.
_FILES_WORTH_A_PROCESS: Final = 200


def scan_report_of(
    paths: Iterable[str | PathLike[str]],
    *,
    explained: bool = False,
    progress: Progress | None = None,
    jobs: int | None = 1,
) -> ScanReport:
    """Scan files and folders, and return the document of what was found."""
    from converter.reporting.scan_documents import scan_report

    return scan_report(file_reports_of(paths, explained=explained, progress=progress, jobs=jobs))


def file_reports_of(
    paths: Iterable[str | PathLike[str]],
    *,
    explained: bool = False,
    progress: Progress | None = None,
    jobs: int | None = 1,
) -> list[FileReport]:
    """Scan files and folders, in the order in which they were named and are found."""
    files = list(iter_files(paths))
    reports = _reports(files, _jobs_for(files) if jobs is None else jobs, explained=explained)
    return list(_watched(files, reports, progress or SilentProgress()))


def _jobs_for(files: list[str]) -> int:
    """Return how many processes are worth starting for some files."""
    most = len(files) // _FILES_WORTH_A_PROCESS
    if most <= 1:
        return 1
    from converter.processes import processors

    return min(processors(), most)


def _reports(files: list[str], jobs: int, *, explained: bool) -> Iterator[FileReport]:
    if jobs == 1:
        return (scan_file(file, explained=explained) for file in files)
    # What starts processes takes longer to import than a small file takes to scan.
    from converter.risk.workers import scan_files

    return scan_files(files, jobs=jobs, explained=explained)


def _watched(
    files: list[str], reports: Iterator[FileReport], progress: Progress
) -> Iterator[FileReport]:
    progress.begin("scanning", sum(map(_nbytes, files)))
    try:
        for file, report in zip(files, reports, strict=True):
            yield report
            progress.advance(_nbytes(file))
    finally:
        progress.end()


def _nbytes(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116 - pathlib takes as long to import as a scan
    except (OSError, ValueError):
        return 0

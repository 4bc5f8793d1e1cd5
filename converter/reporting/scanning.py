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
# Each process gets its files in so many batches, so that all end at about the same time; a batch
# costs a message, which a person sees as progress.
_BATCHES_FOR_EACH: Final = 8
_MOST_IN_A_BATCH: Final = 64


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

    batch = max(1, min(_MOST_IN_A_BATCH, len(files) // (jobs * _BATCHES_FOR_EACH)))
    return scan_files(files, jobs=jobs, batch=batch, explained=explained)


def _watched(
    files: list[str], reports: Iterator[FileReport], progress: Progress
) -> Iterator[FileReport]:
    if isinstance(progress, SilentProgress):
        yield from reports  # to ask for the lengths takes a tenth as long as to scan small files
        return
    lengths = list(map(_nbytes, files))
    progress.begin("scanning", sum(lengths))
    try:
        for nbytes, report in zip(lengths, reports, strict=True):
            yield report
            progress.advance(nbytes)
    finally:
        progress.end()


def _nbytes(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116 - pathlib takes as long to import as a scan
    except (OSError, ValueError):
        return 0

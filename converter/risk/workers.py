"""Scans many files in several processes and hands the reports on in the order of the files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from converter.processes import map_in_processes
from converter.risk.gathering import alike_archives  # noqa: F401 - copies of this process need it
from converter.risk.scanner import scan_file, unreadable_report

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from converter.risk.report import FileReport

# Small files take no longer than a message to a process.
_BATCH_FILES: Final = 16
_ENDED: Final = "the process that scanned it ended: it crashed or was killed"


def scan_files(
    files: Iterable[str], *, jobs: int, batch: int = _BATCH_FILES, explained: bool = False
) -> Generator[FileReport, None, None]:
    """Scan files in `jobs` processes; a file that ends its process is unreadable.

    Args:
        files: what to scan; read only a little ahead of the reports.
        jobs: how many processes, at least 1.
        batch: files that one message hands to a process.
        explained: whether the pickles are told as pseudo-code.

    Raises:
        OSError: no process can be started.
    """
    work = partial(scan_file, explained=explained)
    return map_in_processes(work, files, jobs=jobs, batch=batch, ended=_unreadable, forked=True)


def _unreadable(file: str) -> FileReport:
    return unreadable_report(file, _ENDED)

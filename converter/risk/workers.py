"""Scans many files in several processes and hands the reports on in the order of the files.

A process that crashes, or is killed, takes no other file with it: what it was at is then scanned
file by file, each in a process of its own, and the one that ends that as well is unreadable.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from converter.risk.scanner import scan_file, unreadable_report

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from converter.risk.report import FileReport

# Files that one message hands to a process: few, so that progress is seen and ends are even.
_BATCH_FILES: Final = 16
# Batches that may be under way or done before their turn, for each process: what bounds memory.
_BATCHES_AHEAD: Final = 4
_ENDED: Final = "the process that scanned it ended: it crashed or was killed"

_Reports: TypeAlias = "list[FileReport]"
_Batch: TypeAlias = "tuple[str, ...]"


def scan_files(
    files: Iterable[str], *, jobs: int, explained: bool = False
) -> Generator[FileReport, None, None]:
    """Scan files in `jobs` processes; reports come in the order of the files.

    The processes are started afresh, not forked: a program that calls this must be one whose main
    module can be imported, as `multiprocessing` says.

    Args:
        files: what to scan; read only a little ahead of the reports.
        jobs: how many processes, at least 1.
        explained: whether the pickles are told as pseudo-code.

    Raises:
        OSError: no process can be started.
    """
    rest = iter(files)
    waiting: deque[tuple[_Batch, Future[_Reports] | None]] = deque()
    pool = _pool(jobs)
    try:
        while True:
            while len(waiting) < jobs * _BATCHES_AHEAD and (
                batch := tuple(islice(rest, _BATCH_FILES))
            ):
                waiting.append((batch, _submitted(pool, batch, explained=explained)))
            if not waiting:
                return
            batch, future = waiting.popleft()
            try:
                reports = None if future is None else future.result()
            except BrokenProcessPool:
                reports = None
            if reports is None:
                waiting.appendleft((batch, None))
                pool.shutdown()
                yield from _scan_suspects(waiting, explained=explained)
                waiting.clear()
                pool = _pool(jobs)
            else:
                yield from reports
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(jobs: int) -> ProcessPoolExecutor:
    # A plain fork would copy the locks of the caller's threads, held as they are.
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_process)


def _submitted(
    pool: ProcessPoolExecutor, batch: _Batch, *, explained: bool
) -> Future[_Reports] | None:
    """Hand a batch to the processes; None where they have ended."""
    try:
        return pool.submit(_scan_batch, batch, explained=explained)
    except BrokenProcessPool:
        return None


def _scan_suspects(
    waiting: Iterable[tuple[_Batch, Future[_Reports] | None]], *, explained: bool
) -> Iterator[FileReport]:
    """Yield what is done of the batches; scan the files of the others one by one."""
    with _SingleProcess(explained=explained) as process:
        for batch, future in waiting:
            if future is not None and future.done() and future.exception() is None:
                yield from future.result()
                continue
            for file in batch:
                yield process.scan(file)


class _SingleProcess:
    """One process that scans one file at a time, and another one where that has ended."""

    def __init__(self, *, explained: bool) -> None:
        self._explained = explained
        self._pool = _pool(1)

    def scan(self, file: str) -> FileReport:
        """Scan a file; one that ends the process is unreadable."""
        try:
            future = self._pool.submit(_scan_batch, (file,), explained=self._explained)
            (report,) = future.result()
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = _pool(1)
            return unreadable_report(file, _ENDED)
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def _scan_batch(batch: Sequence[str], *, explained: bool) -> _Reports:
    """Scan some files, in a process of the pool."""
    return [scan_file(file, explained=explained) for file in batch]


def _prepare_process() -> None:
    """Let the parent alone hear an interrupt, and end with the parent even where that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Work on many items in several processes; the results come in the order of the items.

A process that crashes, or is killed, takes no other item with it: what it was at is then done
item by item, each in a process of its own, and the one that ends that as well is given up.
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
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from typing import TypeAlias

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
if TYPE_CHECKING:
    _Waiting: TypeAlias = tuple[tuple[_Item, ...], Future[list[_Result]] | None]

# Batches that may be under way or done before their turn, for each process: what bounds memory.
_BATCHES_AHEAD: Final = 4


def map_in_processes(
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    jobs: int,
    batch: int,
    ended: Callable[[_Item], _Result],
    forked: bool = False,
) -> Generator[_Result, None, None]:
    """Call `work` on each item in `jobs` processes; results come in the order of the items.

    The processes are started afresh, unless they may be forked: a program that calls this must be
    one whose main module can be imported, as `multiprocessing` says.

    Args:
        work: what to do; it and the items are sent to the processes, its results come back.
        items: what to work on; read only a little ahead of the results.
        jobs: how many processes, at least 1.
        batch: items that one message hands to a process: few, so that progress is seen and ends
            are even; more than one where an item takes no longer than a message.
        ended: the result of an item that ended its process.
        forked: whether the processes may be copies of this one, where it has a single thread. They
            begin at once, and hold what it has open: for work that reads, and no longer than it.

    Raises:
        OSError: no process can be started.
    """
    rest = iter(items)
    waiting: deque[_Waiting[_Item, _Result]] = deque()
    pool = _pool(jobs, forked=forked)
    try:
        while True:
            while len(waiting) < jobs * _BATCHES_AHEAD and (several := tuple(islice(rest, batch))):
                waiting.append((several, _submitted(pool, work, several)))
            if not waiting:
                return
            several, future = waiting.popleft()
            try:
                results = None if future is None else future.result()
            except BrokenProcessPool:
                results = None
            if results is None:
                waiting.appendleft((several, None))
                pool.shutdown()
                yield from _one_by_one(work, waiting, ended)
                waiting.clear()
                pool = _pool(jobs, forked=forked)
            else:
                yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def processors() -> int:
    """Return how many processors this process may use, where the system says."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _pool(jobs: int, *, forked: bool = False) -> ProcessPoolExecutor:
    # A fork copies the locks of the caller's other threads, held as they are.
    method = "fork" if forked and _is_single_thread() else "forkserver"
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_process)


def _is_single_thread() -> bool:
    """Return whether this process has one thread, those of libraries counted; False if unknown."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - names are enough
    except OSError:
        return False


def _submitted(
    pool: ProcessPoolExecutor, work: Callable[[_Item], _Result], items: tuple[_Item, ...]
) -> Future[list[_Result]] | None:
    """Hand a batch to the processes; None where they have ended."""
    try:
        return pool.submit(_each, work, items)
    except BrokenProcessPool:
        return None


def _one_by_one(
    work: Callable[[_Item], _Result],
    waiting: Iterable[_Waiting[_Item, _Result]],
    ended: Callable[[_Item], _Result],
) -> Iterator[_Result]:
    """Yield what is done of the batches; work on the items of the others one by one."""
    with _SingleProcess(work, ended) as process:
        for items, future in waiting:
            if future is not None and future.done() and future.exception() is None:
                yield from future.result()
                continue
            for item in items:
                yield process.result(item)


class _SingleProcess(Generic[_Item, _Result]):
    """One process that works on one item at a time, and another one where that has ended."""

    def __init__(self, work: Callable[[_Item], _Result], ended: Callable[[_Item], _Result]) -> None:
        self._work = work
        self._ended = ended
        self._pool = _pool(1)

    def result(self, item: _Item) -> _Result:
        """Work on an item; give one up that ends the process."""
        try:
            (found,) = self._pool.submit(_each, self._work, (item,)).result()
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = _pool(1)
            return self._ended(item)
        return found

    def __enter__(self) -> _SingleProcess[_Item, _Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def _each(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Work on some items, in a process of the pool."""
    return [work(item) for item in items]


def _prepare_process() -> None:
    """Let the parent alone hear an interrupt, and end with the parent even where that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

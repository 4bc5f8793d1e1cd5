"""Many comparisons, box by box, over two threads.

Reading and comparing leave the interpreter to others most of the time, so a second thread reads
while the first compares; a third was measured to add nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from converter.verification.boxes import Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.progress import Progress
    from converter.verification.addressing import Box
    from converter.verification.differences import Comparison, Difference

_THREADS: Final = 2
# Below this many bytes in all, starting a thread costs more than it saves.
_ALONE_NBYTES: Final = 1 << 26


class Sweep:
    """Takes comparisons from an iterator, works through their boxes, keeps what differs.

    Attributes:
        nbytes: bytes compared so far, of one side.
        difference_count: tensors that differ.
    """

    __slots__ = (
        "_kept",
        "_lock",
        "_max_kept",
        "_progress",
        "_stopped",
        "_work",
        "difference_count",
        "nbytes",
    )

    def __init__(
        self, comparisons: Iterator[Comparison], progress: Progress, *, max_kept: int
    ) -> None:
        """Prepare to run `comparisons`, keeping the first `max_kept` that differ."""
        self._work: Final = (
            (order, one, box) for order, one in enumerate(comparisons) for box in one.boxes()
        )
        self._lock: Final = threading.Lock()
        self._progress: Final = progress
        self._kept: Final[list[tuple[int, Comparison]]] = []
        self._max_kept: Final = max_kept
        self._stopped = False
        self.nbytes = 0
        self.difference_count = 0

    def run(self, total_nbytes: int) -> list[Difference]:
        """Compare everything; return what differs, in the order of the comparisons.

        Args:
            total_nbytes: an estimate of the bytes of one side; decides about a second thread.

        Raises:
            DepickleError: whatever a comparison or the iterator raised first.
        """
        if total_nbytes < _ALONE_NBYTES:
            self._labour()
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(_THREADS, "depickle-verify") as pool:
                futures = [pool.submit(self._labour) for _ in range(_THREADS)]
                try:
                    for future in futures:
                        future.result()
                finally:
                    self._stopped = True
        kept = sorted(self._kept, key=lambda pair: pair[0])
        found = (comparison.difference() for _, comparison in kept)
        return [difference for difference in found if difference is not None]

    def _labour(self) -> None:
        scratch = Scratch()
        try:
            while (job := self._next()) is not None:
                order, comparison, box = job
                mismatch = comparison.compare(box, scratch)
                nbytes = comparison.box_nbytes(box)
                with self._lock:
                    self.nbytes += nbytes
                    self._progress.advance(nbytes)
                    if mismatch is not None and comparison.take(mismatch):
                        self._keep(order, comparison)
        finally:
            # Ended or failed: there is nothing left for the other thread to do.
            self._stopped = True

    def _next(self) -> tuple[int, Comparison, Box] | None:
        with self._lock:
            return None if self._stopped else next(self._work, None)

    def _keep(self, order: int, comparison: Comparison) -> None:
        self.difference_count += 1
        if len(self._kept) < self._max_kept:
            self._kept.append((order, comparison))

"""Runs of bytes that lie in other sources, one after the other, shown as one source."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.byteio.source import ByteSource

if TYPE_CHECKING:
    from collections.abc import Iterable


class Run(NamedTuple):
    """Bytes of another source.

    Attributes:
        source: where they lie.
        origin: the first one, in bytes from its start.
        nbytes: how many; at least 1.
    """

    source: ByteSource
    origin: int
    nbytes: int


class JoinedSource(ByteSource):
    """Runs in order, as their bytes; owns none of the sources."""

    __slots__ = ("_runs", "_starts")

    def __init__(self, runs: Iterable[Run], name: str) -> None:
        """Show all of `runs`, each of which lies inside its source."""
        self.name = name
        self.nbytes = 0
        self._runs: Final = list(runs)
        self._starts: Final[list[int]] = []
        for run in self._runs:
            self._starts.append(self.nbytes)
            self.nbytes += run.nbytes

    def _read(self, offset: int, nbytes: int) -> bytes:
        found = bytearray(nbytes)
        self.read_into(offset, memoryview(found))
        return bytes(found)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill `buffer` from `offset`; errors as in `read_at`."""
        view = buffer.cast("B") if buffer.nbytes else buffer
        if offset < 0 or offset + view.nbytes > self.nbytes:
            self.read_at(offset, view.nbytes)  # raises, with the message
        number = bisect_right(self._starts, offset) - 1
        done = 0
        while done < view.nbytes:
            run = self._runs[number]
            inside = offset + done - self._starts[number]
            part = view[done : done + run.nbytes - inside]
            run.source.read_into(run.origin + inside, part)
            done += part.nbytes
            number += 1

"""Small pickles that were read before: folders hold the same one many times.

Checkpoints of one run differ in their numbers. The pickle, which has the names, the shapes and the
places, is often the same in all of them, byte for byte, and what it describes follows from its
bytes. So it is read once a process; and where nothing was found in it, it is not judged again
between the same things. A pickle with anything odd about it is not kept at all.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.inert.nodes import Graph
    from converter.limits import Limits
    from converter.risk.facts import Census, InputFacts, PickleFacts
    from converter.risk.scan_limits import ScanLimits
    from converter.risk.survey import Survey

# Bytes. Nodes take up to two hundred times as much memory as the opcodes that make them.
_LONGEST: Final = 1 << 14
_MOST_NBYTES: Final = 1 << 17
_MOST_SURROUNDINGS: Final = 64
_MOST_STORAGES: Final = 2_000


class KnownPickle:
    """What was read, and where it was clean.

    Attributes:
        graph: what it describes: to its last byte, without an error or an anomaly.
        survey: its names, strings and depth.
        census: its opcodes.
        clean: all that its rules look at beside it, for each time nothing was found.
    """

    __slots__ = ("census", "clean", "graph", "survey")

    def __init__(self, graph: Graph, survey: Survey, census: Census | None) -> None:
        """Know of nothing yet between which it is clean."""
        self.graph: Final = graph
        self.survey: Final = survey
        self.census: Final = census
        self.clean: Final[set[Hashable]] = set()


class _Memo:
    """Pickles by their bytes and the limits they were read under, all of them forgotten at once."""

    __slots__ = ("_nbytes", "found")

    def __init__(self) -> None:
        self.found: Final[dict[tuple[bytes, Limits], KnownPickle]] = {}
        self._nbytes = 0

    def put(self, data: bytes, limits: Limits, read: KnownPickle) -> None:
        """Keep a pickle, of which the memo has none."""
        if self._nbytes + len(data) > _MOST_NBYTES:
            self.found.clear()
            self._nbytes = 0
        self._nbytes += len(data)
        self.found[data, limits] = read


_MEMO: Final = _Memo()


def small_pickle(source: ByteSource, start: int, scan_limits: ScanLimits) -> bytes | None:
    """Return the bytes of a source that begins with a pickle, if they are few.

    What is kept of a pickle holds its census, and is found by `Limits` alone: so none is small
    whose opcodes would not be counted.
    """
    if start or not 0 < source.nbytes <= min(_LONGEST, scan_limits.max_census_bytes):
        return None
    return source.read_at(0, source.nbytes)


def find_known(data: bytes | None, limits: Limits) -> KnownPickle | None:
    """Return what these bytes were read as under these limits, or None."""
    return None if data is None else _MEMO.found.get((data, limits))


def keep_known(data: bytes | None, limits: Limits, read: KnownPickle) -> KnownPickle | None:
    """Keep what was read of some bytes, if they are few and it is all in order."""
    graph = read.graph
    if data is None or graph.error is not None or graph.anomalies or graph.stop != len(data):
        return None
    _MEMO.put(data, limits, read)
    return read


def is_known_clean(facts: InputFacts, limits: Limits, scan_limits: ScanLimits) -> bool:
    """Return whether nothing was found in any of the pickles when they stood like this before."""
    return all(
        pickle.known is not None
        and _surroundings(pickle, limits, scan_limits) in pickle.known.clean
        for pickle in facts.pickles
    )


def keep_clean(facts: InputFacts, limits: Limits, scan_limits: ScanLimits) -> None:
    """Note that nothing was found in any of the pickles."""
    for pickle in facts.pickles:
        known = pickle.known
        if known is None or len(pickle.storages) > _MOST_STORAGES:
            continue
        if len(known.clean) >= _MOST_SURROUNDINGS:
            known.clean.clear()
        known.clean.add(_surroundings(pickle, limits, scan_limits))


def _surroundings(pickle: PickleFacts, limits: Limits, scan_limits: ScanLimits) -> Hashable:
    """Return everything but the pickle that its rules look at; names of files are not among it.

    Of `PickleFacts` that is all that does not follow from the bytes and the limits, but for the
    name of its record, which findings only repeat.
    """
    return (
        pickle.nbytes,
        pickle.origin,
        pickle.context,
        pickle.reached,
        pickle.parent_offset,
        tuple(pickle.storages.items()),
        limits,
        scan_limits,
    )

"""What is found while an input is taken apart, and where in it we are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from converter.errors import DepickleError, FormatError, LimitError
from converter.frozen import Frozen
from converter.inert.machine import read_graph
from converter.risk.census import census_of
from converter.risk.facts import (
    ArchiveFacts,
    CodeText,
    Context,
    InputFacts,
    Origin,
    PickleFacts,
    PlacedAnomaly,
)
from converter.risk.finding import CouldNotTell, Location, Skipped
from converter.risk.known_pickles import KnownPickle, find_known, keep_known, small_pickle
from converter.risk.strings import is_blob
from converter.risk.survey import survey_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from converter.anomaly import Anomaly
    from converter.byteio.source import ByteSource
    from converter.containers.detection import Claim
    from converter.containers.records import Archive
    from converter.inert.nodes import Graph
    from converter.limits import Limits
    from converter.readers.joblib_file import RawArrays
    from converter.risk.scan_limits import ScanLimits


_NO_STORAGES: Final[Mapping[str, int]] = MappingProxyType({})


class Place(Frozen):
    """Where we are.

    Attributes:
        record: the record, with what it is nested in; None for the file itself.
        level: containers, compressed files and blobs around it.
        origin: how pickles found here were found.
        context: whose loader reads them.
        expected: whether what is here claims to be what it is read as: only then is it worth a
            word that it cannot be read.
        reached: of bytes inside a pickle, how they are reached.
        parent_offset: of bytes inside a pickle, where they stand.
        storages: storage key → bytes of its record.
    """

    record: str | None = None
    level: int = 0
    origin: Origin = Origin.MAIN
    context: Context = Context.PLAIN
    expected: bool = True
    reached: str = ""
    parent_offset: int | None = None
    storages: Mapping[str, int] = _NO_STORAGES

    def inside(self, name: str, **changes: Any) -> Place:  # noqa: ANN401 - its own fields
        """Return the place of something inside this one."""
        record = f"{self.record}!{name}" if self.record else name
        return self._replace(record=record, **changes)

    def at(self, offset: int) -> Location:
        """Return a location in this record."""
        return Location(self.record, max(0, offset))


class Collector:
    """The facts of one input, as they come.

    Attributes:
        limits: caps on what parsers do.
        scan_limits: caps on what is followed.
        descend: takes a source apart by its kind.
        take_blobs: looks into the byte strings of a pickle.
        listing: the input itself, where it is one zip archive.
    """

    def __init__(
        self,
        limits: Limits,
        scan_limits: ScanLimits,
        *,
        descend: Callable[[Collector, ByteSource, Place], None],
        take_blobs: Callable[[Collector, PickleFacts, Place], None],
    ) -> None:
        """Start with nothing."""
        self.limits: Final = limits
        self.scan_limits: Final = scan_limits
        self.descend: Final = descend
        self.take_blobs: Final = take_blobs
        self.claims: list[Claim] = []
        self.pickles: list[PickleFacts] = []
        self.archives: list[ArchiveFacts] = []
        self.anomalies: list[PlacedAnomaly] = []
        self.codes: list[CodeText] = []
        self.unread: list[CouldNotTell] = []
        self.skipped: list[Skipped] = []
        self.listing: Archive | None = None
        self._peeking: Limits | None = None

    def peeking(self) -> Limits:
        """Return the limits for what is only suspected to be a pickle, made once."""
        if self._peeking is None:
            self._peeking = self.scan_limits.peeking(self.limits)
        return self._peeking

    def enter(self, source: ByteSource, place: Place) -> None:
        """Take apart what is nested at `place`, unless it is nested too deeply."""
        most = self.scan_limits.max_levels
        if place.level > most:
            found = CouldNotTell(f"more than {most} levels", place.at(0), "max_levels")
            self.unread.append(found)
            return
        try:
            self.descend(self, source, place)
        except DepickleError as error:
            self.fail(error, place)

    def fail(self, error: DepickleError, place: Place, offset: int | None = None) -> None:
        """Note that something could not be read, where it claimed to be readable."""
        if not place.expected:
            return
        if offset is None:
            offset = (error.offset or 0) if isinstance(error, FormatError) else 0
        record = place.record
        if isinstance(error, FormatError) and error.record and record is None:
            record = error.record
        limit = error.limit if isinstance(error, LimitError) else None
        what = str(error) if not isinstance(error, FormatError) else _sentence(error)
        code = error.code if isinstance(error, FormatError) else None
        self.unread.append(CouldNotTell(what, Location(record, max(0, offset)), limit, code))

    def note(self, anomaly: Anomaly, place: Place, kind: str = "") -> None:
        """Keep what a parser noticed."""
        self.anomalies.append(PlacedAnomaly(anomaly, place.record, kind))

    def facts(self, source: ByteSource) -> InputFacts:
        """Return what was found in an input, frozen."""
        return InputFacts(
            name=source.name,
            nbytes=source.nbytes,
            claims=tuple(self.claims),
            pickles=tuple(self.pickles),
            archives=tuple(self.archives),
            anomalies=tuple(self.anomalies),
            codes=tuple(self.codes),
            unread=tuple(self.unread),
            skipped=tuple(self.skipped),
        )

    def is_full(self) -> bool:
        """Return whether no more pickles are taken, saying so once."""
        most = self.scan_limits.max_pickles
        if len(self.pickles) == most:
            found = CouldNotTell(f"more than {most} pickles", Location(None, 0), "max_pickles")
            if found not in self.unread:
                self.unread.append(found)
        return len(self.pickles) >= most

    def read(
        self,
        source: ByteSource,
        place: Place,
        *,
        start: int = 0,
        arrays: RawArrays | None = None,
    ) -> Graph:
        """Read the pickle at `start` and keep it; what it holds is looked into as well."""
        limits = self.limits
        if not place.expected:
            limits = self.peeking()
        data = small_pickle(source, start, self.scan_limits)
        known = find_known(data, limits)
        if known is not None:
            self.keep(known.graph, source.nbytes, place, known=known)
            return known.graph
        after_build = None if arrays is None else arrays.after_build
        graph = read_graph(source, start=start, limits=limits, after_build=after_build)
        census = None
        nbytes = graph.stop - start
        if not (arrays and arrays.count) and 0 < nbytes <= self.scan_limits.max_census_bytes:
            census = census_of(source, start, min(graph.stop, source.nbytes))
        read = KnownPickle(graph, survey_of(graph, is_blob), census)
        if not (arrays and arrays.count):
            keep_known(data, limits, read)
        self.keep(graph, source.nbytes, place, known=read)
        return graph

    def keep(
        self, graph: Graph, nbytes: int, place: Place, *, known: KnownPickle | None = None
    ) -> None:
        """Keep a pickle that was read, and surveyed already if it is `known`."""
        if self.is_full():
            return
        facts = PickleFacts(
            record=place.record,
            graph=graph,
            survey=known.survey if known else survey_of(graph, is_blob),
            nbytes=nbytes,
            origin=place.origin,
            context=place.context,
            reached=place.reached,
            parent_offset=place.parent_offset,
            storages=place.storages,
            census=known.census if known else None,
            known=known,
        )
        self.pickles.append(facts)
        self.take_blobs(self, facts, place)


def _sentence(error: FormatError) -> str:
    """Return an error without the place, which is told apart."""
    parts = [error.what]
    if error.expected:
        parts.append(f"expected {error.expected}")
    if error.found:
        parts.append(f"found {error.found}")
    return ", ".join(parts) if len(parts) > 1 else error.what

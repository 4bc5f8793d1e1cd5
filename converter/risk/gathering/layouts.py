"""Archives laid out like one that was read before: what is the same is not read again.

Folders hold the checkpoints of one run, which differ in their numbers. Where every byte of an
archive but its numbers, its pickle, their checksums and the name of its root folder is that of one
without anything odd about it, only these have to be looked at. A file that nothing is known of
goes the long way, and so does each one in which anything is not as it was.
"""

from __future__ import annotations

import zlib

from converter.byteio.source import MemorySource
from converter.containers.records import Archive, Record
from converter.containers.zip_layout import layout_of
from converter.frozen import Frozen
from converter.risk.facts import ArchiveFacts, Context, Origin
from converter.risk.gathering.archives import Listed, is_plain_record, take_record
from converter.risk.gathering.collector import Place
from converter.risk.gathering.gatherer import collector_of
from converter.risk.gathering.glance import HEAD_NBYTES, USTAR, is_plain_head
from converter.risk.gathering.pickle_layout import pickle_layout_of
from converter.risk.gathering.streams import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.containers.detection import Claim
    from converter.containers.zip_layout import FreeParts, ZipLayout
    from converter.limits import Limits
    from converter.risk.facts import InputFacts
    from converter.risk.finding import Skipped
    from converter.risk.gathering.collector import Collector
    from converter.risk.gathering.pickle_layout import PickleLayout
    from converter.risk.report import FileReport
    from converter.risk.scan_limits import ScanLimits

_KIND: Final = "torch_save"
_PICKLE: Final = "data.pkl"
_STORAGE: Final = "data/"
# The number that torch makes of all names and checksums.
_NUMBER: Final = ".data/serialization_id"
_USTAR_STOP: Final = HEAD_NBYTES
_USTAR_START: Final = HEAD_NBYTES - len(USTAR)
# Layouts, and of each the pickles whose reports are kept. No report makes room for another: where
# pickles are all different, finding out what is fixed in them costs too much.
_MOST_LAYOUTS: Final = 32
_MOST_ALIKE: Final = 4
_MOST_REPORTS: Final = 8
# Bytes that are looked at of one archive, and that are kept of all.
_LONGEST: Final = 1 << 18
_MOST_NBYTES: Final = 1 << 23
_LONGEST_ENDING: Final = 16
# Archives that are learned though none comes again, and then one of so many: in a folder where no
# two are alike, learning them all takes a quarter of the time.
_MOST_IN_VAIN: Final = 32
_ONE_OF: Final = 16


class KnownReport(Frozen):
    """What was said of a file.

    Attributes:
        pickle: its pickle.
        layout: how that is laid out.
        ending: of its name.
        report: what was said.
    """

    pickle: bytes
    layout: PickleLayout
    ending: str
    report: FileReport


class KnownLayout(Frozen):
    """An archive that was read, and what follows for those that are laid out like it.

    Attributes:
        layout: where it differs from them.
        limits: the caps that parsers had.
        scan_limits: the caps that the scan had.
        claims: what it was detected as.
        names: its records, without the root folder.
        number: of the pickle among the free records.
        stop: where its last record ends, and the directory follows.
        storages: storage key → bytes of its record.
        skipped: what is told of the records that are not read.
        reports: what was said of such files, where nothing was found.
    """

    layout: ZipLayout
    limits: Limits
    scan_limits: ScanLimits
    claims: tuple[Claim, ...]
    names: tuple[str, ...]
    number: int
    stop: int
    storages: Mapping[str, int]
    skipped: tuple[Skipped, ...]
    reports: list[KnownReport]


class Alike:
    """An archive that is laid out like a known one; most of thousands are.

    Attributes:
        known: that one.
        parts: what it has of its own.
    """

    __slots__ = ("known", "parts")

    def __init__(self, known: KnownLayout, parts: FreeParts) -> None:
        """Hold both."""
        self.known: Final = known
        self.parts: Final = parts

    @property
    def pickle(self) -> bytes:
        """Return its pickle."""
        return self.parts.heads[self.known.number]

    @property
    def crc32(self) -> int:
        """Return the checksum that the archive claims for its pickle; 0 where it claims none."""
        return int.from_bytes(self.parts.checksums[self.known.number], "little")

    def report(self, name: str) -> FileReport | None:
        """Return the report of a file of this name, if the same is known of its pickle."""
        pickle, ending = self.pickle, _ending(name)
        for known in self.known.reports:
            same = known.pickle == pickle or known.layout.fits(pickle)
            if same and known.ending == ending:
                # A wrong checksum, or none, is told: elsewhere.
                if not self.crc32 or zlib.crc32(pickle) != self.crc32:
                    return None
                return known.report._replace(name=name)
        return None

    def keep(self, facts: InputFacts, report: FileReport) -> None:
        """Keep a report in which nothing is told that the next file may have otherwise."""
        told = report.findings or report.could_not_tell or report.imports
        if told or len(facts.pickles) != 1 or len(self.known.reports) >= _MOST_REPORTS:
            return
        ending = _ending(report.name)
        if len(ending) > _LONGEST_ENDING:
            return
        layout = pickle_layout_of(self.pickle, facts.pickles[0].graph, self.known.limits)
        if layout is not None:
            self.known.reports.append(KnownReport(self.pickle, layout, ending, report))
            _make_room()


def _ending(name: str) -> str:
    """Return how a name ends: of the name, the rules look at nothing else."""
    return name[name.rfind(".") :] if "." in name else ""


class _Patience:
    """Whether the next archive is worth learning."""

    def __init__(self) -> None:
        self._vain = 0

    def takes(self) -> bool:
        """Return whether to learn an archive that may be one more that never comes again."""
        self._vain += 1
        return self._vain <= _MOST_IN_VAIN or self._vain % _ONE_OF == 0

    def reward(self) -> None:
        """Note that one came again."""
        self._vain = 0


# Bytes of an archive → those of this length.
_KNOWN: Final[dict[int, list[KnownLayout]]] = {}
_PATIENCE: Final = _Patience()


def forget_layouts() -> None:
    """Forget every archive."""
    _KNOWN.clear()
    _PATIENCE.reward()


def find_alike(source: ByteSource, limits: Limits, scan_limits: ScanLimits) -> Alike | None:
    """Return an archive as one that is laid out like a known one, or None.

    Raises:
        SourceError: the source cannot be read.
    """
    found = _find_layout(source, limits, scan_limits)
    if found is None or not _is_usual(*found):
        return None
    _PATIENCE.reward()
    known, parts, _ = found
    return Alike(known, parts)


def _find_layout(
    source: ByteSource, limits: Limits, scan_limits: ScanLimits
) -> tuple[KnownLayout, FreeParts, bytes] | None:
    """Return the layout that an archive has, what is different in it, and its excerpt."""
    for known in _KNOWN.get(source.nbytes, ()):
        if _is_same(known.limits, limits) and _is_same(known.scan_limits, scan_limits):
            data = known.layout.excerpt.read(source)
            parts = known.layout.parts_of(data)
            if parts is not None:
                return known, parts, data
    return None


def _make_room() -> None:
    """Forget every archive where too much is kept."""
    kept = [known for several in list(_KNOWN.values()) for known in several]
    nbytes = sum(sum(map(len, known.layout.same)) for known in kept)
    nbytes += sum(2 * len(told.pickle) for known in kept for told in known.reports)
    if len(kept) > _MOST_LAYOUTS or nbytes > _MOST_NBYTES:
        _KNOWN.clear()


def _is_same(one: object, other: object) -> bool:
    return one is other or one == other  # comparing them takes as long as ten of these


def _is_usual(known: KnownLayout, parts: FreeParts, data: bytes) -> bool:
    """Return whether no number looks like more than that."""
    if data[_USTAR_START:_USTAR_STOP] == USTAR or not is_directory(data[known.stop :]):
        return False
    number, heads, lengths = known.number, parts.heads, known.layout.lengths
    return all(map(is_plain_head, heads[:number], lengths)) and all(
        map(is_plain_head, heads[number + 1 :], lengths[number + 1 :])
    )


def gather_alike(
    source: ByteSource, limits: Limits, scan_limits: ScanLimits, alike: Alike | None
) -> InputFacts:
    """Return what `converter.risk.gathering.gather` would.

    Args:
        source: the input.
        limits: caps on what parsers do.
        scan_limits: caps on what is followed.
        alike: what `find_alike` says of it.

    Raises:
        SourceError: the input cannot be read.
    """
    found = collector_of(limits, scan_limits)
    if alike is None:
        found.enter(source, Place())
        _learn(found, source)
    else:
        _take(found, source, alike)
    return found.facts(source)


def _take(found: Collector, source: ByteSource, alike: Alike) -> None:
    """Take the pickle of an archive; all else about it is known."""
    known, root = alike.known, alike.parts.root
    names = tuple([f"{root}/{name}" for name in known.names])
    found.claims += known.claims
    found.archives.append(ArchiveFacts(None, _KIND, 0, names))
    name = f"{root}/{_PICKLE}"
    data = MemorySource(alike.pickle, f"{source.name}!{name}")
    record = Record(name, data, crc32=alike.crc32 or None, stored_nbytes=data.nbytes)
    listed = Listed(source, Archive("zip", (record,)), _KIND)
    place = Place(level=1, context=Context.TORCH, storages=known.storages)
    take_record(found, listed, record, place)
    found.skipped += known.skipped


def _learn(found: Collector, source: ByteSource) -> None:
    """Keep the layout of an archive, if there is nothing odd about it."""
    archive = found.listing
    if archive is None or not _is_clean(found, archive) or not _PATIENCE.takes():
        return
    if _find_layout(source, found.limits, found.scan_limits) is not None:
        return  # it is known, and not as usual
    layout = layout_of(source, archive, _looked_at, _LONGEST)
    if layout is None:
        return
    data = layout.excerpt.read(source)
    start = len(archive.root) + 1
    names = tuple(record.name[start:] for record in archive.records)
    free = [name for name in names if _looked_at(name) is not None]
    stops = [(record.offset or 0) + (record.stored_nbytes or 0) for record in archive.records]
    stop = layout.excerpt.place(max(stops))
    if not is_directory(data[stop:]):
        return
    layouts = _KNOWN.setdefault(source.nbytes, [])
    del layouts[: 1 - _MOST_ALIKE]
    known = KnownLayout(
        layout,
        found.limits,
        found.scan_limits,
        tuple(found.claims),
        names[: len(found.archives[0].names)],
        free.index(_PICKLE),
        stop,
        found.pickles[0].storages,
        tuple(found.skipped),
        [],
    )
    layouts.append(known)
    _make_room()


def _looked_at(name: str) -> int | None:
    """Return how many bytes are looked at of a record that differs between archives."""
    if name == _PICKLE:
        return _LONGEST
    stored = name.startswith(_STORAGE) and name.isascii() and name[len(_STORAGE) :].isdecimal()
    return HEAD_NBYTES if stored or name == _NUMBER else None


def _is_clean(found: Collector, archive: Archive) -> bool:
    """Return whether an archive is one of torch's, with its one pickle and nothing odd.

    Nothing but the pickle may have been worth more than a glance, even in vain: how far another
    record is followed, and whether it is told that it cannot be read, depends on its whole name.
    """
    if found.anomalies or found.codes or found.unread or len(found.pickles) != 1:
        return False
    pickle = found.pickles[0]
    others = [record for record in archive.records if record.name != pickle.record]
    return (
        [claim.kind for claim in found.claims] == ["zip"]
        and found.claims[0].offset == 0
        and [facts.kind for facts in found.archives] == [_KIND, "pickle"]
        and pickle.record == f"{archive.root}/{_PICKLE}"
        and pickle.origin is Origin.MAIN
        and not pickle.reached
        and all(map(is_plain_record, others))
    )

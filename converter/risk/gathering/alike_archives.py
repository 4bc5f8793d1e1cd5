"""Archives laid out like one that was read before: what is the same is not read again.

Folders hold the checkpoints of one run, which differ in their numbers. Where every byte of an
archive but its numbers, its pickle, their checksums and the name of its root folder is that of one
without anything odd about it, only these have to be looked at. A file that nothing is known of
goes the long way, and so does each one in which anything is not as it was.

A scan asks three things here, in this order: `find_alike`, whether an archive is laid out like a
known one; `Alike.report`, whether its report is known as well; and where it is not, `gather_alike`,
for the facts, which learns the archives that nothing is known of. Everything that is kept is in
`converter.risk.gathering.known_layouts`.
"""

from __future__ import annotations

import zlib

from converter.byteio.source import MemorySource
from converter.containers.records import Archive, Record
from converter.containers.zip_layout import layout_of
from converter.risk.facts import ArchiveFacts, Context, Origin
from converter.risk.gathering.archives import Listed, is_plain_record, take_record
from converter.risk.gathering.collector import Place
from converter.risk.gathering.gatherer import collector_of
from converter.risk.gathering.glance import HEAD_NBYTES, USTAR, is_plain_head
from converter.risk.gathering.known_layouts import (
    KnownLayout,
    KnownReport,
    is_next_learned,
    keep_layout,
    keep_report,
    layouts_of_length,
    note_comeback,
)
from converter.risk.gathering.pickle_layout import pickle_layout_of
from converter.risk.gathering.streams import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.containers.zip_layout import FreeParts
    from converter.limits import Limits
    from converter.risk.facts import InputFacts
    from converter.risk.gathering.collector import Collector
    from converter.risk.report import FileReport
    from converter.risk.scan_limits import ScanLimits

_KIND: Final = "torch_save"
_PICKLE: Final = "data.pkl"
_STORAGE: Final = "data/"
# The number that torch makes of all names and checksums.
_NUMBER: Final = ".data/serialization_id"
# The same in an archive and in its excerpt: of no record so little is looked at that a gap begins
# earlier.
_USTAR_STOP: Final = HEAD_NBYTES
_USTAR_START: Final = HEAD_NBYTES - len(USTAR)
# Bytes that are looked at of one archive.
_LONGEST: Final = 1 << 18
_LONGEST_ENDING: Final = 16


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
            if known.is_of(pickle, ending):
                # A wrong checksum, or none, is told: elsewhere.
                if not self.crc32 or zlib.crc32(pickle) != self.crc32:
                    return None
                return known.report._replace(name=name)
        return None

    def keep(self, facts: InputFacts, report: FileReport) -> None:
        """Keep a report in which nothing is told that the next file may have otherwise."""
        told = report.findings or report.could_not_tell or report.imports
        if told or len(facts.pickles) != 1 or not self.known.has_room:
            return
        ending = _ending(report.name)
        if len(ending) > _LONGEST_ENDING:
            return
        layout = pickle_layout_of(self.pickle, facts.pickles[0].graph, self.known.limits)
        if layout is not None:
            keep_report(self.known, KnownReport(self.pickle, layout, ending, report))


def _ending(name: str) -> str:
    """Return how a name ends: of the name, the rules look at nothing else."""
    return name[name.rfind(".") :] if "." in name else ""


def find_alike(source: ByteSource, limits: Limits, scan_limits: ScanLimits) -> Alike | None:
    """Return an archive as one that is laid out like a known one, or None.

    Raises:
        SourceError: the source cannot be read.
    """
    found = _find_layout(source, limits, scan_limits)
    if found is None or not _is_usual(*found):
        return None
    note_comeback()
    known, parts, _ = found
    return Alike(known, parts)


def _find_layout(
    source: ByteSource, limits: Limits, scan_limits: ScanLimits
) -> tuple[KnownLayout, FreeParts, bytes] | None:
    """Return the layout that an archive has, what is different in it, and its excerpt."""
    for known in layouts_of_length(source.nbytes):
        if _is_same(known.limits, limits) and _is_same(known.scan_limits, scan_limits):
            data = known.layout.excerpt.read(source)
            parts = known.layout.parts_of(data)
            if parts is not None:
                return known, parts, data
    return None


def _is_same(one: object, other: object) -> bool:
    return one is other or one == other  # comparing them takes as long as ten of these


def _is_usual(known: KnownLayout, parts: FreeParts, data: bytes) -> bool:
    """Return whether no number looks like more than that."""
    if data[_USTAR_START:_USTAR_STOP] == USTAR or not is_directory(data[known.layout.stop :]):
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
    if archive is None or not _is_clean(found, archive) or not is_next_learned():
        return
    if _find_layout(source, found.limits, found.scan_limits) is not None:
        return  # it is known, and not as usual
    layout = layout_of(source, archive, _looked_at, _LONGEST)
    if layout is None:
        return
    if not is_directory(layout.excerpt.read(source)[layout.stop :]):
        return
    start = len(archive.root) + 1
    names = tuple(record.name[start:] for record in archive.records)
    free = [name for name in names if _looked_at(name) is not None]
    known = KnownLayout(
        layout=layout,
        limits=found.limits,
        scan_limits=found.scan_limits,
        claims=tuple(found.claims),
        names=names[: len(found.archives[0].names)],
        number=free.index(_PICKLE),
        storages=found.pickles[0].storages,
        skipped=tuple(found.skipped),
        reports=[],
    )
    keep_layout(source.nbytes, known)


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

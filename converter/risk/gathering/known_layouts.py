"""What one process keeps of the archives that it has read: how they were laid out, and the reports.

This is a memo and judges nothing: `converter.risk.gathering.alike_archives` says what may be kept
and which files are like it. Here it is bounded. Few layouts are kept of each length, few reports of
each layout, and where it is still too much, all of it is forgotten at once. Where archives never
come again, fewer and fewer of them are worth learning.
"""

from __future__ import annotations

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from converter.containers.detection import Claim
    from converter.containers.zip_layout import ZipLayout
    from converter.limits import Limits
    from converter.risk.finding import Skipped
    from converter.risk.gathering.pickle_layout import PickleLayout
    from converter.risk.report import FileReport
    from converter.risk.scan_limits import ScanLimits

# Layouts, those of one length, and of each the pickles whose reports are kept. No report makes room
# for another: where pickles are all different, finding out what is fixed in them costs too much.
_MOST_LAYOUTS: Final = 32
_MOST_ALIKE: Final = 4
_MOST_REPORTS: Final = 8
# Bytes that are kept of all.
_MOST_NBYTES: Final = 1 << 23
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

    def is_of(self, pickle: bytes, ending: str) -> bool:
        """Return whether the same is to be said of a file with this pickle and ending."""
        return self.ending == ending and (self.pickle == pickle or self.layout.fits(pickle))


class KnownLayout(Frozen):
    """An archive that was read, and what follows for those that are laid out like it.

    Attributes:
        layout: where it differs from them.
        limits: the caps that parsers had.
        scan_limits: the caps that the scan had.
        claims: what it was detected as.
        names: its records, without the root folder.
        number: of the pickle among the free records.
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
    storages: Mapping[str, int]
    skipped: tuple[Skipped, ...]
    reports: list[KnownReport]

    @property
    def has_room(self) -> bool:
        """Whether one more report may be kept."""
        return len(self.reports) < _MOST_REPORTS

    @property
    def nbytes(self) -> int:
        """About how much memory it takes: bytes of archives and pickles that are kept."""
        pickles = sum(2 * len(told.pickle) for told in self.reports)  # once more in its layout
        return sum(map(len, self.layout.same)) + pickles


class _Memo:
    """Layouts by the length of their archives in bytes, and whether the next is worth learning."""

    __slots__ = ("_in_vain", "found")

    def __init__(self) -> None:
        self.found: Final[dict[int, list[KnownLayout]]] = {}
        self._in_vain = 0

    def forget(self) -> None:
        """Begin again."""
        self.found.clear()
        self.reward()

    def make_room(self) -> None:
        """Forget every layout where too much is kept."""
        kept = [known for several in list(self.found.values()) for known in several]
        if len(kept) > _MOST_LAYOUTS or sum(known.nbytes for known in kept) > _MOST_NBYTES:
            self.found.clear()

    def has_patience(self) -> bool:
        """Return whether to learn one more archive that may never come again."""
        self._in_vain += 1
        return self._in_vain <= _MOST_IN_VAIN or self._in_vain % _ONE_OF == 0

    def reward(self) -> None:
        """Note that learning was of use."""
        self._in_vain = 0


_MEMO: Final = _Memo()


def layouts_of_length(nbytes: int) -> Sequence[KnownLayout]:
    """Return the layouts of archives of so many bytes."""
    return _MEMO.found.get(nbytes, ())


def keep_layout(nbytes: int, known: KnownLayout) -> None:
    """Keep the layout of an archive of so many bytes, if need be in the place of an older one."""
    layouts = _MEMO.found.setdefault(nbytes, [])
    del layouts[: 1 - _MOST_ALIKE]
    layouts.append(known)
    _MEMO.make_room()


def keep_report(known: KnownLayout, report: KnownReport) -> None:
    """Keep what was said of a file that is laid out like a known one, which has room for it."""
    known.reports.append(report)
    _MEMO.make_room()


def is_next_learned() -> bool:
    """Return whether the archive at hand is worth learning; it then counts as learned in vain."""
    return _MEMO.has_patience()


def note_comeback() -> None:
    """Note that an archive came again, which makes learning worth while."""
    _MEMO.reward()


def forget_layouts() -> None:
    """Forget every archive."""
    _MEMO.forget()

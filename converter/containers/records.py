"""Records and archives: what every container shows of itself, whatever its format."""

from __future__ import annotations

from converter.byteio.source import ByteSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, NoReturn

    from converter.anomaly import Anomaly
    from converter.errors import FormatError

_ASCII_FOLDING: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class Record:
    """One member of an archive; archives may hold 100,000 of them, so it is quick to make.

    Attributes:
        name: as in the archive's directory, with its root folder, ``/`` between components.
        data: its bytes, unpacked. Raises `problem` when read, if there is one.
        compressed: whether `data` is unpacked from something else on the way.
        crc32: what the archive claims; None when it claims nothing (a zero for bytes means that).
        offset: where the stored bytes start, absolute in the archive's source; None if unknown.
        stored_nbytes: how many bytes are stored there (packed, when `compressed`).
        header_offset: where the record's own header starts in the archive's source.
        problem: why the bytes cannot be read, or None.
    """

    __slots__ = (
        "compressed",
        "crc32",
        "data",
        "header_offset",
        "name",
        "offset",
        "problem",
        "stored_nbytes",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - the fields of a record, most of them by default
        self,
        name: str,
        data: ByteSource,
        compressed: bool = False,  # noqa: FBT001, FBT002 - a field, and no switch
        crc32: int | None = None,
        offset: int | None = None,
        stored_nbytes: int | None = None,
        header_offset: int | None = None,
        problem: FormatError | None = None,
    ) -> None:
        """Hold what the directory says."""
        self.name: Final = name
        self.data: Final = data
        self.compressed: Final = compressed
        self.crc32: Final = crc32
        self.offset: Final = offset
        self.stored_nbytes: Final = stored_nbytes
        self.header_offset: Final = header_offset
        self.problem: Final = problem

    @property
    def nbytes(self) -> int:
        """Length of `data` in bytes, as the archive declares it."""
        return self.data.nbytes

    @property
    def is_folder(self) -> bool:
        """Whether the name is that of a folder entry."""
        return self.name.endswith("/")


class Archive:
    """A container that was listed: its records in order, and what was odd about it.

    Attributes:
        kind: the format, as `converter.containers.detection` names it (``zip``, ``tar`` …).
        records: every member the directory lists, in its order, duplicates included.
        anomalies: what the parser noticed.
    """

    def __init__(
        self, kind: str, records: tuple[Record, ...], anomalies: tuple[Anomaly, ...] = ()
    ) -> None:
        """Index the names; of equal ones the first counts."""
        self.kind: Final = kind
        self.records: Final = records
        self.anomalies: Final = anomalies
        backwards = self.records[::-1]
        names = [record.name for record in backwards]
        folded = ascii_folded_all(names)
        self._exact: Final = dict(zip(names, backwards, strict=True))
        # torch writes no name with a capital but what the user called the file: one table does.
        self._folded: Final = (
            self._exact if folded == names else dict(zip(folded, backwards, strict=True))
        )

    @property
    def root(self) -> str:
        """The root folder, as torch has it: the first part of the first record's name."""
        return self.records[0].name.split("/", 1)[0] if self.records else ""

    def find(self, name: str) -> Record | None:
        """Return the first record of exactly this name, or None."""
        return self._exact.get(name)

    def find_folded(self, name: str) -> Record | None:
        """Return the first record whose name is equal but for the case of A to Z, or None.

        This is how torch looks records up. Of several that match, which one torch takes depends
        on its sorting; an archive with such a clash carries an anomaly.
        """
        if self._folded is self._exact:  # all names are folded as they are
            found = self._exact.get(name)
            if found is not None:
                return found
        return self._folded.get(ascii_folded(name))

    def find_all(self, name: str) -> tuple[Record, ...]:
        """Return every record whose name is equal but for the case of A to Z, in order."""
        wanted = ascii_folded(name)
        return tuple(record for record in self.records if ascii_folded(record.name) == wanted)


class BrokenSource(ByteSource):
    """Bytes that are declared and cannot be read; says why whenever asked."""

    __slots__ = ("_problem",)

    def __init__(self, name: str, nbytes: int, problem: FormatError) -> None:
        """Stand for `nbytes` declared bytes."""
        self.name = name
        self.nbytes = nbytes
        self._problem: Final = problem

    def read_at(self, offset: int, nbytes: int) -> NoReturn:
        """Raise the problem, whatever is asked for."""
        self._read(offset, nbytes)

    def _read(self, offset: int, nbytes: int) -> NoReturn:
        raise self._problem.with_traceback(None)


def ascii_folded_all(names: list[str]) -> list[str]:
    """Fold every name; all at once where they are plain, which is ten times as quick."""
    joined = "\n".join(names)
    if joined.isascii() and joined.count("\n") == len(names) - 1:
        return joined.lower().split("\n")
    return [ascii_folded(name) for name in names]


def ascii_folded(name: str) -> str:
    """Return `name` with A to Z in lower case and every other character as it was."""
    return name.lower() if name.isascii() else name.translate(_ASCII_FOLDING)

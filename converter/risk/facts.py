"""Everything that was found in one input, frozen: what the rules judge."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.anomaly import Anomaly
    from converter.containers.detection import Claim
    from converter.inert.nodes import Graph
    from converter.risk.finding import CouldNotTell, Skipped
    from converter.risk.known_pickles import KnownPickle
    from converter.risk.survey import Survey


class Origin(StrEnum):
    """How a pickle came to be found.

    ``main``: where a loader of the format looks. ``stacked``: behind another one. ``nested``: in
    the bytes of another one. ``hidden``: in a record that should hold none. ``alternative``: what
    a loader that does not know the format would take the same bytes for.
    """

    MAIN = "main"
    STACKED = "stacked"
    NESTED = "nested"
    HIDDEN = "hidden"
    ALTERNATIVE = "alternative"


class Context(StrEnum):
    """Whose loader reads a pickle: names and persistent ids mean different things to each."""

    TORCH = "torch"
    TORCHSCRIPT = "torchscript"
    PACKAGE = "package"
    PLAIN = "plain"


class PickleFacts(Frozen):
    """One pickle.

    Attributes:
        record: the record it stands in, with what that is nested in; None for the file itself.
        graph: what it describes.
        survey: its names, strings and depth.
        nbytes: length of the record in bytes.
        origin: how it was found.
        context: whose loader reads it.
        reached: of a nested one, how its bytes are reached (``argument of pickle.loads``).
        parent_offset: of a nested one, where its bytes stand in the record.
        storages: storage key → bytes of its record, where the container says.
        census: the opcodes, if they were counted.
        known: what is kept of it for the files that follow, if it is.
    """

    record: str | None
    graph: Graph
    survey: Survey
    nbytes: int
    origin: Origin = Origin.MAIN
    context: Context = Context.PLAIN
    reached: str = ""
    parent_offset: int | None = None
    storages: Mapping[str, int] = MappingProxyType({})
    census: Census | None = None
    known: KnownPickle | None = None


class Census(Frozen):
    """The opcodes of one pickle, counted without executing them.

    Attributes:
        opcodes: the byte values that occur.
        highest_put: the largest memo index that is written, or None.
        puts: how many memo entries are written.
        rewritten: offset of the first entry that is written a second time, or None.
        far_put: offset of the first entry written far beyond the ones before, or None.
        longest_long: bytes of the longest binary integer.
    """

    opcodes: frozenset[int]
    highest_put: int | None = None
    puts: int = 0
    rewritten: int | None = None
    far_put: int | None = None
    longest_long: int = 0


class PlacedAnomaly(Frozen):
    """What a parser noticed, and in which container.

    Attributes:
        anomaly: what it said.
        record: the container it was reading, nested as in `PickleFacts.record`; None for the file.
        kind: that container's kind (``torch_save``, ``npz``, ``tar``, ``pickle``, …).
    """

    anomaly: Anomaly
    record: str | None = None
    kind: str = ""


class ArchiveFacts(Frozen):
    """One container that was opened.

    Attributes:
        record: what it is nested in; None for the file itself.
        kind: its kind.
        level: 0 for the file itself.
        names: its records.
    """

    record: str | None
    kind: str
    level: int
    names: tuple[str, ...] = ()


class CodeText(Frozen):
    """Code that an archive carries, as text or as a library.

    Attributes:
        record: its name.
        text: the code, or its beginning; empty for a library.
        kind: the kind of archive.
        native: whether it is machine code.
    """

    record: str
    text: str
    kind: str = ""
    native: bool = False


class InputFacts(Frozen):
    """One input.

    Attributes:
        name: as it was given.
        nbytes: its length.
        claims: every format it claims to be, the one torch would follow first.
        pickles: every pickle in it.
        archives: every container in it, itself first.
        anomalies: what parsers noticed.
        codes: texts of TorchScript code.
        unread: what may matter and could not be read.
        skipped: what was left out on purpose.
    """

    name: str
    nbytes: int
    claims: tuple[Claim, ...] = ()
    pickles: tuple[PickleFacts, ...] = ()
    archives: tuple[ArchiveFacts, ...] = ()
    anomalies: tuple[PlacedAnomaly, ...] = ()
    codes: tuple[CodeText, ...] = ()
    unread: tuple[CouldNotTell, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def kind(self) -> str:
        """Return the kind of container, as precisely as it is known."""
        if self.archives:
            return self.archives[0].kind
        return self.claims[0].kind if self.claims else "unknown"

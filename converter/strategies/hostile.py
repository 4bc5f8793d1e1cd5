"""Files that attack whoever opens them, made harmless: what they would call does not exist."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from converter.strategies.arguments import check_choices
from converter.strategies.hostile_archives import ARCHIVES, archive_of
from converter.strategies.hostile_pickles import EXPRESSIONS, STREAMS
from converter.strategies.opcodes import benign_values
from converter.strategies.operands import STOP, TRIPWIRE, integer, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from hypothesis.strategies import DrawFn, SearchStrategy

TRICKS: Final[tuple[str, ...]] = (*EXPRESSIONS, *STREAMS, *ARCHIVES)
"""Every trick of `hostile_files`, by what is done."""

_CONTAINERS: Final = ("pickle", "zip", "legacy")
_MAGIC: Final = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True, slots=True)
class HostileFile:
    """A file that attacks, and how.

    Attributes:
        content: its bytes.
        trick: one of `TRICKS`.
        container: ``pickle``, ``zip`` or ``legacy``: what the trick is wrapped in.
        payload: module and name of what it would call, where it would call something.
    """

    content: bytes = field(repr=False)
    trick: str
    container: str
    payload: tuple[str, str] = TRIPWIRE

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, FBT001 - IPython's protocol, which Hypothesis follows
        """Show an example without its bytes."""
        printer.text(repr(self))

    def write(self, folder: str | PathLike[str], *, name: str = "hostile.pt") -> Path:
        """Write the file into a folder and return its path."""
        path = Path(folder) / name
        path.write_bytes(self.content)
        return path


def hostile_files(*, tricks: Sequence[str] | None = None) -> SearchStrategy[HostileFile]:
    """Generate files that attack their reader; PyTorch is not needed.

    Some call something by one of the ways that pickle has, some hide that from a scanner, some
    lie about sizes or make two readers see two files, some ask for more memory than there is.
    What they name is `TRIPWIRE`, a module that exists nowhere: were one loaded after all, it would
    end in an ImportError. Those that ask for memory would still get it from a careless loader.

    Examples shrink towards a bare pickle that calls the tripwire by REDUCE.

    Args:
        tricks: some of `TRICKS`; None for all of them.
    """
    return _files(tricks)


@st.composite
def _files(draw: DrawFn, tricks: Sequence[str] | None) -> HostileFile:
    trick = draw(st.sampled_from(check_choices("tricks", tricks, TRICKS)))
    if trick in ARCHIVES:
        return HostileFile(ARCHIVES[trick](), trick, "zip")
    container = draw(st.sampled_from(_CONTAINERS))
    if trick in STREAMS:
        stream = STREAMS[trick]
    else:
        before = draw(st.lists(benign_values(), max_size=2))
        items = [text(f"k{index}") + value for index, value in enumerate(before)]
        proto = draw(st.sampled_from([b"\x80\x02", b"\x80\x04", b""]))
        entries = b"".join([*items, text("payload"), EXPRESSIONS[trick]])
        stream = proto + b"}(" + entries + b"u" + STOP
    return HostileFile(_wrapped(stream, container), trick, container)


def _wrapped(stream: bytes, container: str) -> bytes:
    if container == "zip":
        return archive_of(stream)
    if container == "legacy":
        system = b"\x80\x02}(" + text("little_endian") + b"\x88u."
        head = b"\x80\x02" + integer(_MAGIC) + STOP + b"\x80\x02" + integer(1001) + STOP + system
        return head + stream + b"\x80\x02]."
    return stream

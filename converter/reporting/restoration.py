"""The document and the text of a restoration: what was written, and what only as plain data."""

from __future__ import annotations

from typing import Final

from msgspec import field

from converter.reporting.documents import Frozen, NoteLine, SourceFacts, VerificationReport
from converter.reporting.terminal_text import count_text, printable, size_text, table
from converter.reporting.text import verification_text

RESTORATION_SCHEMA: Final = "depickle/restoration-report-v1"
_SHOWN_LINES: Final = 30


class UnsupportedLine(Frozen, frozen=True):
    """One value that weights-only loading does not take.

    Attributes:
        path: where it stands.
        what: what it is.
    """

    path: str
    what: str


class RestorationReport(Frozen, frozen=True, tag_field="schema", tag=RESTORATION_SCHEMA):
    """What `restore` did.

    Attributes:
        source: the input.
        output: the file that was written; None where the check found a difference.
        nbytes: its size in bytes.
        tensors: how many it holds.
        storages: how many storages they look into.
        unsupported: what is written as plain data, the first ones.
        unsupported_count: how many there are.
        verification: what reading the written file again found.
        notes: what a person should know about how the input was understood.
    """

    source: SourceFacts
    output: str | None
    nbytes: int
    tensors: int
    storages: int
    verification: VerificationReport
    unsupported: list[UnsupportedLine] = field(default_factory=list)
    unsupported_count: int = 0
    notes: list[NoteLine] = field(default_factory=list)


def restoration_text(report: RestorationReport) -> str:
    """Return what a restoration did, for people."""
    head = "nothing was written"
    if report.output is not None:
        head = (
            f"{printable(report.output)}: {count_text(report.tensors, 'tensor')} in "
            f"{count_text(report.storages, 'storage')}, {size_text(report.nbytes)}"
        )
    lines = [head]
    if report.unsupported:
        rows = [
            [printable(line.path), printable(line.what)]
            for line in report.unsupported[:_SHOWN_LINES]
        ]
        lines += ["", f"written as plain data ({report.unsupported_count:,})", *table(rows)]
        hidden = report.unsupported_count - len(rows)
        lines += [f"  and {hidden:,} more"] if hidden else []
        lines.append("")
    lines += [f"note: {printable(note.text)}" for note in report.notes]
    lines.append(verification_text(report.verification))
    return "\n".join(lines)

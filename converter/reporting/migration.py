"""The document and the text of a migration: what became of every file."""

from __future__ import annotations

from typing import Final

from msgspec import field

from converter.reporting.documents import Frozen
from converter.reporting.terminal_text import count_text, printable, size_text

MIGRATION_SCHEMA: Final = "depickle/migration-report-v1"
_SHOWN_LINES: Final = 50

CONVERTED: Final = "converted"
PRESENT: Final = "present"
NO_CHECKPOINT: Final = "no_checkpoint"
REFUSED: Final = "refused"
UNREADABLE: Final = "unreadable"
DIFFERS: Final = "differs"
FAILED: Final = "failed"
NOT_DONE: Final = (REFUSED, UNREADABLE, DIFFERS, FAILED)
"""Outcomes of what is, or may be, a checkpoint and has no output."""

_WORDS: Final = {
    CONVERTED: "converted",
    PRESENT: "there already",
    NO_CHECKPOINT: "no checkpoint",
    REFUSED: "refused",
    UNREADABLE: "unreadable",
    DIFFERS: "differs",
    FAILED: "failed",
}


class MigratedFile(Frozen, frozen=True):
    """What became of one file, or of one folder that is a checkpoint.

    Attributes:
        source: its path.
        outcome: converted (and verified, unless that was not wanted), present (an output of its
            name was there before), no_checkpoint, refused (by the policy), unreadable, differs
            (the output would not have been what the source is) or failed.
        target: path of its output, where there is one.
        nbytes: size of the source in bytes.
        tensors: how many were converted.
        reason: why it was not converted, as one sentence.
    """

    source: str
    outcome: str
    nbytes: int
    target: str | None = None
    tensors: int = 0
    reason: str | None = None


class MigrationReport(Frozen, frozen=True, tag_field="schema", tag=MIGRATION_SCHEMA):
    """What `migrate` did.

    Attributes:
        root: the folder that was migrated.
        destination: the folder of the outputs.
        counts: outcome → how many.
        files: every file and folder that was looked at, in the order of their names; the files
            that a folder's checkpoint does not use, or that cannot be read as one, come last.
    """

    root: str
    destination: str
    counts: dict[str, int] = field(default_factory=dict)
    files: list[MigratedFile] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Return whether every checkpoint has an output."""
        return not any(self.counts.get(outcome) for outcome in NOT_DONE)


def migration_report(root: str, destination: str, files: list[MigratedFile]) -> MigrationReport:
    """Return the report of some files."""
    counts: dict[str, int] = {}
    for outcome in _WORDS:
        count = sum(file.outcome == outcome for file in files)
        if count:
            counts[outcome] = count
    return MigrationReport(root=root, destination=destination, counts=counts, files=files)


def migration_text(report: MigrationReport) -> str:
    """Return what a migration did, for people: what is not done, and how many of each kind."""
    undone = [file for file in report.files if file.outcome in NOT_DONE]
    lines = [
        f"{_WORDS[file.outcome]}: {printable(file.source)}: {printable(file.reason or '')}"
        for file in undone[:_SHOWN_LINES]
    ]
    if len(undone) > len(lines):
        lines.append(f"… and {len(undone) - len(lines):,} more (--format json lists all)")
    counted = [f"{count:,} {_WORDS[outcome]}" for outcome, count in report.counts.items()]
    done = [file for file in report.files if file.outcome == CONVERTED]
    size = f" ({size_text(sum(file.nbytes for file in done))})" if done else ""
    files = count_text(len(report.files), "file")
    lines.append(f"{printable(report.root)}: {files}: {', '.join(counted)}{size}")
    return "\n".join(lines)

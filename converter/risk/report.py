"""What a scan found in one input and in many, without the graphs it was found in."""

from __future__ import annotations

from converter.frozen import Frozen
from converter.risk.finding import CouldNotTell, Finding, Skipped
from converter.risk.verdict import Verdict, worst


class FileReport(Frozen):
    """What is to be thought of one input.

    Attributes:
        name: as it was given.
        nbytes: its length; 0 where it could not be opened.
        kind: the kind of file.
        verdict: the gravest of its findings.
        findings: all of them, the gravest first.
        could_not_tell: what may matter and could not be read.
        skipped: what was left out on purpose.
        pickles: how many pickles were judged.
        imports: names outside the known-safe list that loading would import, in order.
        refused: names that ``torch.load(weights_only=True)`` would refuse, in order.
        weights_only: whether that would accept the pickles; None where it cannot be told.
        explanation: the pickles as pseudo-code, where it was asked for.
    """

    name: str
    nbytes: int
    kind: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    could_not_tell: tuple[CouldNotTell, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    pickles: int = 0
    imports: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    weights_only: bool | None = None
    explanation: tuple[str, ...] = ()


class Scan(Frozen):
    """What is to be thought of several inputs.

    Attributes:
        files: one report for each, in the order in which they were found.
    """

    files: tuple[FileReport, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the gravest verdict of all."""
        return worst(report.verdict for report in self.files)

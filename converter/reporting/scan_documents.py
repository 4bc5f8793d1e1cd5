"""The versioned document of a scan: a frozen shape, apart from the internal types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from converter.reporting.documents import Frozen
from converter.reporting.terminal_text import encodable
from converter.risk.verdict import worst

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.risk.finding import CouldNotTell, Finding, Location, Skipped
    from converter.risk.report import FileReport

SCAN_SCHEMA: Final = "depickle/scan-report-v1"


class PlaceLine(Frozen, frozen=True):
    """A place in a file.

    Attributes:
        offset: position in bytes inside the record, or the file without one.
        record: the record, with what it is nested in, parts joined by ``!``.
        path: way from the pickle's root to the value.
    """

    offset: int
    record: str | None = None
    path: str = ""


class FindingLine(Frozen, frozen=True):
    """One observation of one rule.

    Attributes:
        rule: the rule's id.
        severity: note, unknown, unreadable, suspicious or dangerous.
        reach: executable, latent, metadata or denial_of_service.
        confidence: high, medium or low.
        message: one sentence.
        place: where it was seen first.
        evidence: the name or the code it rests on.
        count: how often it was seen.
    """

    rule: str
    severity: str
    reach: str
    confidence: str
    message: str
    place: PlaceLine
    evidence: str = ""
    count: int = 1


class LeftAside(Frozen, frozen=True):
    """Something that was not read, on purpose or not.

    Attributes:
        what: what it is.
        reason: why.
        place: where it stands.
    """

    what: str
    reason: str
    place: PlaceLine


class ScannedFile(Frozen, frozen=True):
    """What is to be thought of one file.

    Attributes:
        name: as it was given, or found in a folder.
        nbytes: its size in bytes.
        container: kind of file.
        verdict: safe, unknown, unreadable, suspicious or dangerous.
        pickles: how many pickles it holds.
        findings: what the rules say, the gravest first.
        imports: names off the known-safe list that loading it would import.
        weights_only: whether ``torch.load(weights_only=True)`` would take its pickles; absent
            where that cannot be told.
        refused_by_weights_only: names that it would refuse.
        skipped: what was left out on purpose.
        could_not_tell: what may matter and could not be read.
        explanation: its pickles as pseudo-code.
    """

    name: str
    nbytes: int
    container: str
    verdict: str
    pickles: int = 0
    findings: list[FindingLine] = msgspec.field(default_factory=list)
    imports: list[str] = msgspec.field(default_factory=list)
    weights_only: bool | None = None
    refused_by_weights_only: list[str] = msgspec.field(default_factory=list)
    skipped: list[LeftAside] = msgspec.field(default_factory=list)
    could_not_tell: list[LeftAside] = msgspec.field(default_factory=list)
    explanation: list[str] = msgspec.field(default_factory=list)


class ScanReport(Frozen, frozen=True, tag_field="schema", tag=SCAN_SCHEMA):
    """What `scan` says.

    Attributes:
        verdict: the gravest verdict of all files.
        files: each file, in the order in which they were scanned.
    """

    verdict: str
    files: list[ScannedFile] = msgspec.field(default_factory=list)


def scan_report(reports: Iterable[FileReport]) -> ScanReport:
    """Return the document of some reports."""
    found = list(reports)
    return ScanReport(
        verdict=str(worst(report.verdict for report in found)),
        files=[scanned_file(report) for report in found],
    )


def scanned_file(report: FileReport) -> ScannedFile:
    """Return one file as it stands in documents."""
    return ScannedFile(
        name=encodable(report.name),
        nbytes=report.nbytes,
        container=report.kind,
        verdict=str(report.verdict),
        pickles=report.pickles,
        findings=[_finding(finding) for finding in report.findings],
        imports=list(map(encodable, report.imports)),
        weights_only=report.weights_only,
        refused_by_weights_only=list(map(encodable, report.refused)),
        skipped=[_skipped(item) for item in report.skipped],
        could_not_tell=[_unread(item) for item in report.could_not_tell],
        explanation=list(map(encodable, report.explanation)),
    )


def _place(location: Location) -> PlaceLine:
    record = None if location.record is None else encodable(location.record)
    return PlaceLine(offset=location.offset, record=record, path=encodable(location.path))


def _finding(finding: Finding) -> FindingLine:
    return FindingLine(
        rule=finding.rule,
        severity=str(finding.severity),
        reach=str(finding.reach),
        confidence=str(finding.confidence),
        message=encodable(finding.message),
        place=_place(finding.location),
        evidence=encodable(finding.evidence),
        count=finding.count,
    )


def _skipped(item: Skipped) -> LeftAside:
    return LeftAside(
        what=encodable(item.what), reason=encodable(item.reason), place=_place(item.location)
    )


def _unread(item: CouldNotTell) -> LeftAside:
    reason = f"limit {item.limit}" if item.limit else item.code or "it could not be read"
    return LeftAside(what=encodable(item.what), reason=reason, place=_place(item.location))

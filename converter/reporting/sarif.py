"""A scan as SARIF 2.1.0, for code-scanning dashboards.

Static Analysis Results Interchange Format, OASIS standard,
https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html; the numbers of sections
below are its own.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from converter._version import __version__
from converter.risk.rulebook import RULES, SUMMARIES

if TYPE_CHECKING:
    from converter.reporting.scan_documents import FindingLine, ScannedFile, ScanReport

Json: TypeAlias = dict[str, Any]

VERSION: Final = "2.1.0"
SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
# 3.27.10: level is one of none, note, warning, error.
LEVELS: Final = {
    "note": "note",
    "unknown": "warning",
    "unreadable": "warning",
    "suspicious": "error",
    "dangerous": "error",
}
# Dashboards rank by this number, from 0 to 10.
_RANKS: Final = {
    "note": "0.0",
    "unknown": "4.0",
    "unreadable": "5.0",
    "suspicious": "7.0",
    "dangerous": "9.5",
}
_UNREADABLE: Final = "unreadable"


def sarif_log(report: ScanReport) -> Json:
    """Return the log of a scan as an object of JSON."""
    indexes = {rule: index for index, rule in enumerate(RULES)}
    results = [
        _result(file, finding, indexes[finding.rule])
        for file in report.files
        for finding in file.findings
    ]
    run = {
        "tool": {"driver": _driver()},
        "invocations": [_invocation(report)],
        "artifacts": [_artifact(file) for file in report.files],
        "results": results,
        "columnKind": "utf16CodeUnits",
        "properties": {"verdict": report.verdict},
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def _driver() -> Json:
    """Return who scanned, and by which rules (3.19)."""
    return {
        "name": "depickle",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [
            {
                "id": rule,
                "name": "".join(word.title() for word in rule.split("-")),
                "shortDescription": {"text": summary},
                "help": {"text": f"{summary} See docs/rules.md, {rule}."},
            }
            for rule, summary in SUMMARIES.items()
        ],
    }


def _invocation(report: ScanReport) -> Json:
    """Return how it went (3.20): what could not be read is a notification as well."""
    unreadable = [file for file in report.files if file.verdict == _UNREADABLE]
    return {
        "executionSuccessful": True,
        "toolExecutionNotifications": [
            {
                "level": "warning",
                "message": {"text": f"{file.name}: it could not be told what this file holds"},
                "locations": [{"physicalLocation": {"artifactLocation": _artifact_uri(file)}}],
            }
            for file in unreadable
        ],
    }


def _artifact(file: ScannedFile) -> Json:
    return {
        "location": _artifact_uri(file),
        "length": file.nbytes,
        "properties": {"verdict": file.verdict, "container": file.container},
    }


def _artifact_uri(file: ScannedFile) -> Json:
    """Return the address of a file (3.4): relative as given, absolute as a file URI."""
    path = PurePath(file.name)
    raw = path.as_posix().encode("utf-8", "surrogateescape")
    return {"uri": f"file://{quote(raw)}" if path.is_absolute() else quote(raw)}


def _result(file: ScannedFile, finding: FindingLine, index: int) -> Json:
    """Return one finding (3.27)."""
    place = finding.place
    logical = "!".join(part for part in (place.record, place.path) if part)
    location: Json = {"physicalLocation": {"artifactLocation": _artifact_uri(file)}}
    if place.record is None:
        # 3.30.9: byteOffset counts from the start of the artifact, which a record's does not.
        location["physicalLocation"]["region"] = {"byteOffset": place.offset, "byteLength": 0}
    if logical:
        location["logicalLocations"] = [{"fullyQualifiedName": logical}]
    key = "\0".join((finding.rule, place.record or "", finding.evidence, place.path))
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVELS[finding.severity],
        "kind": "fail",
        "message": {"text": f"{finding.message} (offset {place.offset})"},
        "locations": [location],
        "occurrenceCount": finding.count,
        "partialFingerprints": {"depickle/v1": _digest(key)},
        "properties": {
            "security-severity": _RANKS[finding.severity],
            "severity": finding.severity,
            "reach": finding.reach,
            "confidence": finding.confidence,
            "offset": place.offset,
            "record": place.record or "",
            "evidence": finding.evidence,
        },
    }


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

"""Bytes behind the end of an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "zip-trailing-bytes"
# A line feed or a short mark that some tool left: torch and zipfile read past it alike.
_HARMLESS_NBYTES: Final = 16


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for placed in case.facts.anomalies:
        anomaly = placed.anomaly
        if anomaly.code != "zip_trailing_bytes":
            continue
        offset = anomaly.offset or 0
        few = placed.record is None and case.facts.nbytes - offset <= _HARMLESS_NBYTES
        yield Finding(
            ID,
            Severity.NOTE if few else Severity.SUSPICIOUS,
            Location(placed.record, offset),
            anomaly.detail,
            Reach.LATENT,
            evidence=anomaly.code,
        )

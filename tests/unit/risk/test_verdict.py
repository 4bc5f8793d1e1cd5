"""Verdicts have an order, and several become the gravest."""

from __future__ import annotations

from converter.risk.finding import Severity
from converter.risk.verdict import Verdict, worst


def test_order() -> None:
    ranks = [verdict.rank for verdict in Verdict]
    assert ranks == sorted(ranks)
    assert [str(verdict) for verdict in Verdict] == [
        *("safe", "unknown", "unreadable", "suspicious", "dangerous")
    ]


def test_worst() -> None:
    assert worst([]) == "safe"
    assert worst([Verdict.UNKNOWN, Verdict.DANGEROUS, Verdict.SAFE]) == "dangerous"
    assert worst([Verdict.UNREADABLE, Verdict.UNKNOWN]) == "unreadable"


def test_severities_have_verdicts() -> None:
    assert Severity.NOTE.verdict == "safe"
    for severity in list(Severity)[1:]:
        assert severity.verdict == severity.value

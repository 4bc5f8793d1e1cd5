"""A pickle that breaks off is unreadable, and what it did before still counts."""

from __future__ import annotations

from corpus.hostile_writer import CALM, PAYLOAD, POP, PROTO2
from tests.support.risk_cases import said, scanned, severities

RULE = "broken-stream"


def test_what_ran_before_survives() -> None:
    report = scanned(PROTO2 + PAYLOAD + POP + b"\xff")
    assert report.verdict == "dangerous"
    assert {found.rule for found in report.findings} >= {RULE, "unsafe-global"}


def test_a_break_alone() -> None:
    (found,) = said(RULE, PROTO2 + b"}X\xff\xff\xff\x7f")
    assert (found.severity, found.reach) == ("unreadable", "metadata")
    assert found.location.offset > 0


def test_whole_ones_are_not_broken() -> None:
    assert severities(RULE, CALM) == []

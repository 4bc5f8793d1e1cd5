"""A limit that was reached is named."""

from __future__ import annotations

from converter.limits import Limits
from converter.risk.scan_limits import ScanLimits
from corpus.hostile_writer import APPEND, CALM, EMPTY_LIST, NONE, POP, PROTO2, STOP
from tests.support.risk_cases import scanned

RULE = "over-a-limit"


def limits_named(data: bytes, limits: Limits, scan_limits: ScanLimits | None = None) -> set[str]:
    report = scanned(data, limits=limits, scan_limits=scan_limits or ScanLimits())
    assert report.verdict == "unreadable"
    return {found.evidence for found in report.findings if found.rule == RULE}


def test_limits_of_pickles() -> None:
    flood = PROTO2 + (NONE + POP) * 50 + NONE + STOP
    assert limits_named(flood, Limits(max_opcodes=50)) == {"max_opcodes"}
    deep = PROTO2 + EMPTY_LIST * 30 + APPEND * 29 + STOP
    assert limits_named(deep, Limits(max_depth=20)) == {"max_depth"}
    assert limits_named(PROTO2 + b"L" + b"9" * 40 + b"L\n.", Limits(max_decimal_digits=30)) == {
        "max_decimal_digits"
    }


def test_limits_of_the_scan() -> None:
    assert limits_named(CALM * 9, Limits(), ScanLimits(max_pickles=5)) == {"max_pickles"}
    assert limits_named(CALM * 9, Limits(max_stacked_pickles=3)) == {"max_stacked_pickles"}

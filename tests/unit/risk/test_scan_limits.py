"""Limits of the scan are lowered here, and what they leave out is told."""

from __future__ import annotations

from converter.limits import DEFAULT_LIMITS
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS, ScanLimits
from corpus.hostile_writer import EMPTY_LIST, MARK, PROTO2, STOP, named
from tests.support.risk_cases import scanned


def test_peeking_only_lowers() -> None:
    peeking = DEFAULT_SCAN_LIMITS.peeking(DEFAULT_LIMITS)
    assert peeking.max_opcodes < DEFAULT_LIMITS.max_opcodes
    assert peeking.max_string_bytes < DEFAULT_LIMITS.max_string_bytes
    assert peeking.max_records == DEFAULT_LIMITS.max_records


def test_findings_beyond_the_limit_are_counted() -> None:
    names = b"".join(named(f"package{index}", "name") for index in range(9))
    data = PROTO2 + EMPTY_LIST + MARK + names + b"e" + STOP
    report = scanned(data, scan_limits=ScanLimits(max_findings=5))
    shown = [found for found in report.findings if found.rule == "unknown-global"]
    assert len(shown) == 6
    assert shown[-1].message == "and 4 names more"
    assert report.verdict == "unknown"
    assert len(report.imports) == 9

"""Scans bytes as a file of any name, and tells what one rule says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.byteio.source import MemorySource
from converter.limits import DEFAULT_LIMITS, Limits
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS, ScanLimits
from converter.risk.scanner import scan_source

if TYPE_CHECKING:
    from converter.risk.finding import Finding
    from converter.risk.report import FileReport


def scanned(
    data: bytes,
    name: str = "a.pt",
    *,
    limits: Limits = DEFAULT_LIMITS,
    scan_limits: ScanLimits = DEFAULT_SCAN_LIMITS,
) -> FileReport:
    """Return the report of some bytes."""
    return scan_source(MemorySource(data, name), limits=limits, scan_limits=scan_limits)


def said(rule: str, data: bytes, name: str = "a.pt") -> list[Finding]:
    """Return what one rule says of some bytes."""
    return [found for found in scanned(data, name).findings if found.rule == rule]


def severities(rule: str, data: bytes, name: str = "a.pt") -> list[str]:
    """Return how grave the findings of one rule are."""
    return [str(found.severity) for found in said(rule, data, name)]

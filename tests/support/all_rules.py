"""Judges by every rule of the rulebook, and by those that are chosen for a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.byteio.source import MemorySource
from converter.limits import DEFAULT_LIMITS, Limits
from converter.risk.case import Case
from converter.risk.choice import rules_for
from converter.risk.gathering import gather
from converter.risk.rulebook import RULES
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS

if TYPE_CHECKING:
    from converter.risk.finding import Finding


def case_of(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Case:
    """Return what rules are given of some bytes."""
    facts = gather(MemorySource(data, name), limits, DEFAULT_SCAN_LIMITS)
    return Case(facts, limits, DEFAULT_SCAN_LIMITS)


def told_by_all(case: Case) -> list[Finding]:
    """Return what every rule says."""
    return [finding for judge in RULES.values() for finding in judge(case)]


def told_by_chosen(case: Case) -> list[Finding]:
    """Return what those rules say that are chosen for the case."""
    judges = rules_for(case, beside_pickles=False)
    return [finding for judge in judges for finding in judge(case)]

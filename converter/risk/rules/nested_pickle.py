"""A pickle in the bytes of another one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.risk.facts import Origin
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "nested-pickle"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from pickle.findings_of_uses(ID)
    nested = (item for item in case.pickles if item.facts.parent_offset is not None)
    told = (item for item in nested if item.facts.origin is Origin.NESTED or item.uses)
    for pickle in islice(told, case.scan_limits.max_findings):
        how = pickle.facts.reached or "a value of the outer pickle"
        harmless = not pickle.uses
        yield Finding(
            ID,
            Severity.NOTE if harmless else Severity.SUSPICIOUS,
            pickle.locate(pickle.graph.start),
            f"a pickle stands in bytes that are {how}",
            Reach.EXECUTABLE if pickle.facts.reached else Reach.LATENT,
            evidence=how,
        )

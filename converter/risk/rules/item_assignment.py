"""Items that are set or appended where no list, dict or set is."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.inert.nodes import GlobalNode, kind_of
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "item-assignment"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from pickle.findings_of_uses(ID)
        effects = [effect for effect in pickle.graph.effects if effect.opcode != "BUILD"]
        for effect in islice(effects, case.scan_limits.max_findings):
            target = effect.target
            if isinstance(target, GlobalNode):
                what, severity = f"{target.module}.{target.name}", Severity.DANGEROUS
            else:
                what, severity = f"a value of kind {kind_of(target)}", Severity.SUSPICIOUS
            yield Finding(
                ID,
                severity,
                pickle.locate(effect.offset, target),
                f"{effect.opcode} changes {what}",
                Reach.EXECUTABLE,
                evidence=what,
            )

"""State that is given to something the pickle did not make: a class, a function, a module."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.inert.nodes import GlobalNode, kind_of
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "build-on-object"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        effects = [effect for effect in pickle.graph.effects if effect.opcode == "BUILD"]
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
                f"BUILD sets attributes of {what}",
                Reach.EXECUTABLE,
                evidence=what,
            )
        for node in pickle.graph.persistent:
            if node.states:
                yield Finding(
                    ID,
                    Severity.SUSPICIOUS,
                    pickle.locate(node.offset),
                    "BUILD sets attributes of what a persistent id stands for",
                    Reach.EXECUTABLE,
                )

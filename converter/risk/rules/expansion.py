"""Small files that become large: shared parts, or bytes packed very tightly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Reach, Severity
from converter.risk.observed import Weight, weighed
from converter.risk.survey import FEWEST_SHARED, expanded_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "expansion"
WEIGHTS: Final = {
    "pickle_packed_tightly": Weight(
        Severity.UNREADABLE, "a pickle unpacks to far more than it takes", Reach.DENIAL_OF_SERVICE
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)
    most = case.scan_limits.max_expansion
    for pickle in case.pickles:
        if pickle.facts.survey.shared < FEWEST_SHARED:
            continue
        size = expanded_size(pickle.graph, most)
        if size > most and size > pickle.graph.opcode_count * 1_000:
            yield Finding(
                ID,
                Severity.UNREADABLE,
                pickle.locate(),
                f"shared parts make a value of more than {most} parts from "
                f"{pickle.graph.opcode_count} opcodes",
                Reach.DENIAL_OF_SERVICE,
                evidence="billion laughs",
            )

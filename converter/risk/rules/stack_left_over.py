"""Values or marks left on the stack: a second reading of the same stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "stack-left-over"
WEIGHTS: Final = {
    "mark_left_at_stop": Weight(
        Severity.SUSPICIOUS, "marks are left at the end, which some readers refuse", Reach.LATENT
    ),
    "stack_not_empty_at_stop": Weight(
        Severity.SUSPICIOUS, "values are left at the end beside the root", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed_streams(case, ID, WEIGHTS)

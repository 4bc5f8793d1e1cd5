"""Names and callables that only come about while the pickle runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "computed-name"
WEIGHTS: Final = {
    "global_name_computed": Weight(
        Severity.DANGEROUS, "a name is computed by the pickle itself", Reach.EXECUTABLE
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from pickle.findings_of_uses(ID)
    yield from weighed_streams(case, ID, WEIGHTS)

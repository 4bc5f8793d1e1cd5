"""Names and callables that only come about while the pickle runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Reach, Severity, shortened
from converter.risk.observed import Weight, weighed_streams
from converter.risk.survey import byte_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case, PickleCase

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
        yield from _byte_names(pickle)
    yield from weighed_streams(case, ID, WEIGHTS)


def _byte_names(pickle: PickleCase) -> Iterator[Finding]:
    """Yield a finding where a name is given in byte strings."""
    names = byte_names(pickle.graph)
    if names is not None and pickle.graph.error is not None:
        text = shortened(".".join(names))
        yield Finding(
            ID,
            Severity.DANGEROUS,
            pickle.locate(pickle.graph.error.offset),
            f"{text} is named by strings of Python 2",
            Reach.EXECUTABLE,
            evidence=text,
        )

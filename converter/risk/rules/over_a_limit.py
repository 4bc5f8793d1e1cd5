"""A stated limit was reached: what is beyond it was not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.errors import LimitError
from converter.risk.facts import Origin
from converter.risk.finding import Finding, Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case, PickleCase

ID: Final = "over-a-limit"
WEIGHTS: Final = {
    "zip_inflate_limit": Weight(
        Severity.UNREADABLE, "a record would unpack to too much", Reach.DENIAL_OF_SERVICE
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)
    for unread in case.facts.unread:
        if unread.limit is not None:
            yield Finding(
                ID,
                Severity.UNREADABLE,
                unread.location,
                f"{unread.limit}: {unread.what}",
                Reach.DENIAL_OF_SERVICE,
                evidence=unread.limit,
            )
    for pickle in case.pickles:
        yield from _judge_pickle(case, pickle)


def _judge_pickle(case: Case, pickle: PickleCase) -> Iterator[Finding]:
    error = pickle.graph.error
    loud = pickle.facts.origin not in (Origin.ALTERNATIVE, Origin.HIDDEN)
    if isinstance(error, LimitError) and loud:
        yield Finding(
            ID,
            Severity.UNREADABLE,
            pickle.locate(error.offset if error.offset is not None else pickle.graph.stop),
            f"{error.limit}: the pickle needs more ({error.expected}, found {error.found})",
            Reach.DENIAL_OF_SERVICE,
            evidence=error.limit,
        )
    depth = pickle.facts.survey.depth
    if depth > case.limits.max_depth:
        yield Finding(
            ID,
            Severity.UNREADABLE,
            pickle.locate(),
            f"max_depth: values are nested {depth} deep, at most {case.limits.max_depth}",
            Reach.DENIAL_OF_SERVICE,
            evidence="max_depth",
        )

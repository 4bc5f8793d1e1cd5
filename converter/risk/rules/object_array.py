"""A numpy array whose elements are a pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "object-array"
WEIGHTS: Final = {
    "npy_objects": Weight(
        Severity.NOTE, "an array of objects is a pickle; it is judged by its contents", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

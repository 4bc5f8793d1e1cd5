"""A file that is two kinds of file at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "two-containers"
WEIGHTS: Final = {
    "two_containers": Weight(
        Severity.SUSPICIOUS, "the file is of two kinds, and each reader sees its own", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

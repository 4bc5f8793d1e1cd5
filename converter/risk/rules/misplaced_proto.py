"""A protocol that is declared twice, or not at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "misplaced-proto"
WEIGHTS: Final = {
    "proto_repeated": Weight(Severity.SUSPICIOUS, "the protocol is declared twice", Reach.LATENT),
    "proto_misplaced": Weight(Severity.SUSPICIOUS, "the protocol is declared late", Reach.LATENT),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed_streams(case, ID, WEIGHTS)

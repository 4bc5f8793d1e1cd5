"""Compression methods that torch cannot unpack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-method"
WEIGHTS: Final = {
    "zip_unknown_method": Weight(
        Severity.SUSPICIOUS, "a record is packed by a method that torch does not have", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

"""Spellings that unpicklers read differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "reader-disagreement"
WEIGHTS: Final = {
    "numeral_unusual": Weight(
        Severity.SUSPICIOUS, "a number is spelled as no pickler does", Reach.LATENT
    ),
    "binstring_length_signed": Weight(
        Severity.SUSPICIOUS, "a length is negative to some unpicklers", Reach.LATENT
    ),
    "line_not_terminated": Weight(
        Severity.SUSPICIOUS, "the stream ends inside a line", Reach.LATENT
    ),
    "readonly_buffer_on_none": Weight(
        Severity.SUSPICIOUS, "a value is made a read-only buffer", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed_streams(case, ID, WEIGHTS)

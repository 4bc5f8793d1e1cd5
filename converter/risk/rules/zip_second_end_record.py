"""A second end record: readers start from one or the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-second-end-record"
WEIGHTS: Final = {
    "zip_second_end_record": Weight(
        Severity.SUSPICIOUS, "a second end record stands near the end", Reach.LATENT
    ),
    "zip_end_far": Weight(
        Severity.SUSPICIOUS, "the end record is where only some readers look", Reach.LATENT
    ),
    "zip_comment_cut": Weight(Severity.SUSPICIOUS, "the comment is cut off", Reach.LATENT),
    "zip_comment": Weight(Severity.NOTE, "the archive has a comment", Reach.METADATA),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

"""Flag bits that make some readers refuse a record and others not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-flags"
WEIGHTS: Final = {
    "zip_local_flags_differ": Weight(
        Severity.SUSPICIOUS, "a record is flagged in one place and not in the other", Reach.LATENT
    ),
    "record_readable_all_the_same": Weight(
        Severity.SUSPICIOUS, "a record is marked as unreadable and is not", Reach.LATENT
    ),
    "zip_encrypted": Weight(Severity.NOTE, "a record is marked as encrypted", Reach.LATENT),
    "zip_patch_data": Weight(Severity.SUSPICIOUS, "a record is marked as patch data", Reach.LATENT),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

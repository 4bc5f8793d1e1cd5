"""Local headers that contradict the directory: readers follow one or the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-local-header"
WEIGHTS: Final = {
    "zip_local_name_differs": Weight(Severity.SUSPICIOUS, "a record has two names", Reach.LATENT),
    "zip_local_method_differs": Weight(
        Severity.SUSPICIOUS, "a record has two methods", Reach.LATENT
    ),
    "zip_local_sizes_differ": Weight(Severity.SUSPICIOUS, "a record has two lengths", Reach.LATENT),
    "zip_local_header_missing": Weight(
        Severity.SUSPICIOUS, "a record has no header where the directory says", Reach.LATENT
    ),
    "zip_descriptor_differs": Weight(
        Severity.SUSPICIOUS, "a record has another length or checksum behind it", Reach.LATENT
    ),
    "zip_descriptor_missing": Weight(
        Severity.NOTE, "a promised data descriptor is absent", Reach.METADATA
    ),
    "zip_stored_sizes_differ": Weight(
        Severity.SUSPICIOUS, "a stored record has two lengths", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

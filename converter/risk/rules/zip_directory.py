"""A central directory that contradicts itself or its end record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-directory"
WEIGHTS: Final = {
    "zip_two_directories": Weight(Severity.SUSPICIOUS, "there are two directories", Reach.LATENT),
    "zip_entry_count_differs": Weight(
        Severity.SUSPICIOUS,
        "the directory has another number of entries than it says",
        Reach.LATENT,
    ),
    "zip_directory_damaged": Weight(
        Severity.SUSPICIOUS, "the directory holds bytes that are no entry", Reach.LATENT
    ),
    "zip_extra_damaged": Weight(Severity.SUSPICIOUS, "an extra field is damaged", Reach.LATENT),
    "zip64_field_missing": Weight(Severity.SUSPICIOUS, "a 64-bit length is missing", Reach.LATENT),
    "zip64_locator_differs": Weight(
        Severity.SUSPICIOUS, "the ZIP64 locator points elsewhere", Reach.LATENT
    ),
    "zip64_end_missing": Weight(Severity.SUSPICIOUS, "a ZIP64 end record is missing", Reach.LATENT),
    "zip64_end_differs": Weight(
        Severity.SUSPICIOUS, "two end records contradict each other", Reach.LATENT
    ),
    "zip_multi_disk": Weight(
        Severity.SUSPICIOUS, "the archive claims to be one of several", Reach.LATENT
    ),
    "zip_payload_outside": Weight(
        Severity.UNREADABLE, "a record reaches behind the end of the file", Reach.METADATA
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

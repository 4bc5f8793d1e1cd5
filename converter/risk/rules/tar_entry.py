"""Entries of tar archives that readers treat differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "tar-entry"
WEIGHTS: Final = {
    "tar_duplicate_name": Weight(Severity.SUSPICIOUS, "two entries have one name", Reach.LATENT),
    "tar_unsafe_name": Weight(Severity.SUSPICIOUS, "a name climbs or is absolute", Reach.LATENT),
    "tar_link_climbs": Weight(Severity.SUSPICIOUS, "a link leads outside", Reach.LATENT),
    "tar_header_damaged": Weight(
        Severity.SUSPICIOUS, "what follows a damaged header is not listed", Reach.LATENT
    ),
    "tar_trailing_bytes": Weight(
        Severity.SUSPICIOUS, "bytes follow the end of the archive", Reach.LATENT
    ),
    "tar_pax_damaged": Weight(Severity.SUSPICIOUS, "extension headers are damaged", Reach.LATENT),
    "tar_entry_ignored": Weight(Severity.NOTE, "a link or a device", Reach.METADATA),
    "tar_entry_unreadable": Weight(
        Severity.UNREADABLE, "an entry is no plain file", Reach.METADATA
    ),
    "tar_end_missing": Weight(Severity.NOTE, "the archive has no end", Reach.METADATA),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

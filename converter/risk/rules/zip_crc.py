"""Checksums that do not fit: some readers refuse, torch does not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-crc"
WEIGHTS: Final = {
    "zip_crc_differs": Weight(
        Severity.SUSPICIOUS,
        "the checksum of a pickle does not fit, so that some readers refuse what torch loads",
        Reach.LATENT,
    ),
    "zip_local_crc_differs": Weight(
        Severity.SUSPICIOUS, "a record has two checksums", Reach.LATENT
    ),
    "zip_crc_not_computed": Weight(Severity.NOTE, "no checksum was computed", Reach.METADATA),
    "zip_deflate_leftover": Weight(
        Severity.SUSPICIOUS, "packed bytes stand behind the end of a record", Reach.LATENT
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

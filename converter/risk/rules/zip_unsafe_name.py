"""Names that climb out of a folder or that readers decode differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-unsafe-name"
WEIGHTS: Final = {
    "zip_unsafe_name": Weight(
        Severity.SUSPICIOUS, "a name is absolute, climbs or steers a terminal", Reach.LATENT
    ),
    "zip_name_encoding": Weight(Severity.NOTE, "a name is in no marked encoding", Reach.METADATA),
    "zip_unicode_path": Weight(Severity.SUSPICIOUS, "a record has a second name", Reach.LATENT),
    "zip_folder_with_bytes": Weight(Severity.SUSPICIOUS, "a folder has contents", Reach.LATENT),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

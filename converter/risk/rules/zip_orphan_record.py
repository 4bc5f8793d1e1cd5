"""Records that the directory does not list: streaming readers see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-orphan-record"
_KINDS: Final = frozenset(
    {
        "torch_save",
        "torchscript",
        "torchscript_json",
        "torch_package",
        "torch_export",
        "npz",
        "other",
        "aborted",
    }
)
WEIGHTS: Final = {
    "zip_orphan_record": Weight(
        Severity.SUSPICIOUS, "a record is not in the directory", Reach.LATENT, _KINDS
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

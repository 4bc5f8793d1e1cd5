"""Bytes between records that belong to none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-gap"
_TORCH: Final = frozenset({"torch_save", "torchscript", "torch_package", "torch_export"})
WEIGHTS: Final = {
    "zip_gap": Weight(
        Severity.SUSPICIOUS, "bytes between the records are not torch's", Reach.LATENT, _TORCH
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

"""Records outside the one root folder of a torch archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, weighed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "zip-root"
_KINDS: Final = frozenset({"torch_save", "torchscript", "torchscript_json", "torch_package"})
WEIGHTS: Final = {
    "zip_no_root": Weight(
        Severity.SUSPICIOUS, "the first record is in no folder", Reach.LATENT, _KINDS
    ),
    "zip_outside_root": Weight(
        Severity.SUSPICIOUS, "a record is outside the root folder", Reach.LATENT, _KINDS
    ),
    "zip_several_roots": Weight(
        Severity.SUSPICIOUS, "the archive has several root folders", Reach.LATENT, _KINDS
    ),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    yield from weighed(case, ID, WEIGHTS)

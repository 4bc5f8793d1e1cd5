"""A whole file that is compressed: joblib and pandas unpack it unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "compressed-file"
_KINDS: Final = frozenset({"gzip", "bzip2", "xz", "lzma", "zlib"})


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    if case.facts.kind in _KINDS and case.pickles:
        yield Finding(
            ID,
            Severity.NOTE,
            Location(None, 0),
            f"the pickle is packed by {case.facts.kind}, which some loaders unpack unasked",
            Reach.LATENT,
            evidence=case.facts.kind,
        )

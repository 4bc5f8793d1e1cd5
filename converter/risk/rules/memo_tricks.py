"""Memo entries that picklers do not write: rewritten, or far beyond the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "memo-tricks"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        census = pickle.facts.census
        if census is None:
            continue
        if census.far_put is not None:
            yield Finding(
                ID,
                Severity.SUSPICIOUS,
                pickle.locate(census.far_put),
                f"memo entry {census.highest_put} among {census.puts}: "
                "an unpickler may need memory for all up to it",
                Reach.DENIAL_OF_SERVICE,
                evidence=str(census.highest_put),
            )
        if census.rewritten is not None:
            yield Finding(
                ID,
                Severity.SUSPICIOUS,
                pickle.locate(census.rewritten),
                "a memo entry is written twice, which misleads readers that keep the first",
                Reach.LATENT,
            )

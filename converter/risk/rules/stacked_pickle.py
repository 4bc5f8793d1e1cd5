"""A second pickle behind the first: loaders take one of them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.risk.facts import Context, Origin
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "stacked-pickle"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    stops = {(item.facts.record, item.graph.stop) for item in case.pickles}
    stacked = (item for item in case.pickles if item.facts.origin is Origin.STACKED)
    for pickle in islice(stacked, case.scan_limits.max_findings):
        place = pickle.facts.record, pickle.graph.start
        # Several dumps into one file are an honest habit, where only Python reads it.
        direct = place in stops and pickle.facts.context is Context.PLAIN
        yield Finding(
            ID,
            Severity.NOTE if direct else Severity.SUSPICIOUS,
            pickle.locate(pickle.graph.start),
            "another pickle stands behind the first, which loaders do not read with it",
            Reach.LATENT,
            evidence=f"{len(pickle.graph.globals)} names, {len(pickle.graph.calls)} calls",
        )

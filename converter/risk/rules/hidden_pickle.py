"""A pickle in a record where no loader of this kind of file looks for one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.risk.facts import Origin
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "hidden-pickle"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    hidden = (item for item in case.pickles if item.facts.origin is Origin.HIDDEN)
    for pickle in islice(hidden, case.scan_limits.max_findings):
        yield Finding(
            ID,
            Severity.SUSPICIOUS,
            pickle.locate(pickle.graph.start),
            "a record that should hold none begins with a pickle",
            Reach.LATENT,
            evidence=f"{len(pickle.graph.globals)} names, {len(pickle.graph.calls)} calls",
        )

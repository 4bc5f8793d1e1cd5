"""Bytes behind the end of a pickle that are no padding and no pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Reach, Severity
from converter.risk.observed import Weight, finding_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case
    from converter.risk.finding import Finding

ID: Final = "trailing-bytes"
WEIGHTS: Final = {
    "data_after_stop": Weight(
        Severity.SUSPICIOUS, "bytes that no loader reads stand behind the end", Reach.LATENT
    ),
    "compressed_trailing_bytes": Weight(
        Severity.SUSPICIOUS, "bytes stand behind the compressed stream", Reach.LATENT
    ),
    "padding_after_stop": Weight(Severity.NOTE, "padding stands behind the end", Reach.LATENT),
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    starts = {(item.facts.record, item.graph.start) for item in case.pickles}
    for placed in case.facts.anomalies:
        weight = WEIGHTS.get(placed.anomaly.code)
        if weight is not None and (placed.record, placed.anomaly.offset) not in starts:
            yield finding_of(ID, weight, placed.anomaly, placed.record)

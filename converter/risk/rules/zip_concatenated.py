"""Several archives in one file: each reader takes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "zip-concatenated"
# torch.distributed.checkpoint writes its shards like that.
_SHARD_SUFFIX: Final = ".distcp"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for placed in case.facts.anomalies:
        if placed.anomaly.code != "zip_concatenated":
            continue
        shard = case.facts.name.endswith(_SHARD_SUFFIX) and placed.kind == "archives_in_a_row"
        yield Finding(
            ID,
            Severity.NOTE if shard else Severity.SUSPICIOUS,
            Location(placed.record, placed.anomaly.offset or 0),
            placed.anomaly.detail,
            Reach.LATENT,
            evidence=placed.anomaly.code,
        )

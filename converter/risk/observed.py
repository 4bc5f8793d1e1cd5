"""Rules that only weigh what a parser noticed: anomaly code → severity and sentence."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from converter.risk.facts import Origin
from converter.risk.finding import Finding, Location, Reach, Severity, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from converter.anomaly import Anomaly
    from converter.risk.case import Case


class Weight(NamedTuple):
    """What an anomaly means.

    Attributes:
        severity: what it makes of the file.
        message: one sentence; the parser's own words follow it.
        reach: when it takes effect.
        kinds: the kinds of container in which it means that; empty for all.
    """

    severity: Severity
    message: str
    reach: Reach = Reach.LATENT
    kinds: frozenset[str] = frozenset()


def weighed(case: Case, rule: str, weights: Mapping[str, Weight]) -> Iterator[Finding]:
    """Yield a finding for each anomaly of a container that `weights` knows."""
    seen: dict[str, int] = {}
    for placed in case.facts.anomalies:
        weight = weights.get(placed.anomaly.code)
        if weight is None or (weight.kinds and placed.kind not in weight.kinds):
            continue
        count = seen[placed.anomaly.code] = seen.get(placed.anomaly.code, 0) + 1
        if count <= case.scan_limits.max_findings:
            yield finding_of(rule, weight, placed.anomaly, placed.record)


def weighed_streams(case: Case, rule: str, weights: Mapping[str, Weight]) -> Iterator[Finding]:
    """Yield a finding for each anomaly of a pickle that `weights` knows.

    Bytes that only another reader would take for a pickle are no pickle to find fault with.
    """
    for pickle in case.pickles:
        if pickle.facts.origin is Origin.ALTERNATIVE:
            continue
        found = (item for item in pickle.graph.anomalies if item.code in weights)
        for anomaly in islice(found, case.scan_limits.max_findings):
            yield finding_of(rule, weights[anomaly.code], anomaly, pickle.facts.record)


def finding_of(rule: str, weight: Weight, anomaly: Anomaly, record: str | None) -> Finding:
    """Return the finding for one anomaly in a container, or a pickle, called `record`."""
    inner = anomaly.record
    if record is None or inner is None or record.endswith(inner):
        where = record or inner
    else:
        where = f"{record}!{inner}"
    return Finding(
        rule,
        weight.severity,
        Location(where, anomaly.offset or 0),
        shortened(f"{weight.message}: {anomaly.detail}"),
        weight.reach,
        evidence=anomaly.code,
    )

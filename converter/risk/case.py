"""What the rules are given: the facts, and what can be worked out from them once for all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice

from converter.inert.nodes import CallNode
from converter.risk.facts import Origin
from converter.risk.finding import Finding, Location, Reach, Severity, shortened
from converter.risk.known_names import Standing
from converter.risk.name_uses import NameJudge, NameUse
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.inert.nodes import Graph, Node
    from converter.limits import Limits
    from converter.risk.facts import InputFacts, PickleFacts
    from converter.risk.scan_limits import ScanLimits

SEVERITY_OF: Final = {
    Standing.UNKNOWN: Severity.UNKNOWN,
    Standing.MISUSED: Severity.SUSPICIOUS,
    Standing.DANGEROUS: Severity.DANGEROUS,
}


class PickleCase:
    """One pickle and the judgement of its names.

    Attributes:
        facts: what was found.
        scan_limits: how much of it is listed.
    """

    def __init__(self, facts: PickleFacts, scan_limits: ScanLimits = DEFAULT_SCAN_LIMITS) -> None:
        """Judge nothing yet."""
        self.facts: Final = facts
        self.scan_limits: Final = scan_limits

    @property
    def graph(self) -> Graph:
        """Return what the pickle describes."""
        return self.facts.graph

    @cached_property
    def uses(self) -> tuple[NameUse, ...]:
        """Every use of a name that is not safe.

        Where only another reader would take the bytes for a pickle, names that are not called
        are no news.
        """
        uses = NameJudge(self.facts, self.facts.survey).iter_uses()
        if self.facts.origin is Origin.ALTERNATIVE:
            return tuple(use for use in uses if _is_news(use))
        return tuple(uses)

    @cached_property
    def _paths(self) -> dict[int, str]:
        first: dict[tuple[str, str, str], Node] = {}
        for use in self.uses:
            first.setdefault((use.rule, use.known.text, use.role), use.node)
        more = [effect.target for effect in self.graph.effects]
        wanted = [*first.values(), *more]
        # Only what has something to tell asks for the way to it.
        from converter.risk.paths import paths_of

        return paths_of(self.graph.root, islice(wanted, self.scan_limits.max_paths))

    def locate(self, offset: int | None = None, node: Node = None) -> Location:
        """Return a place in this pickle; the way to `node` is told if it is among the notable."""
        if offset is None:
            offset = getattr(node, "offset", self.graph.start)
        path = self._paths.get(id(node), "") if node is not None else ""
        return Location(self.facts.record, offset, path)

    def findings_of_uses(self, rule: str) -> Iterator[Finding]:
        """Yield a finding for each name that `rule` has to tell, with how often it is used."""
        if not self.uses:
            return
        groups: dict[tuple[str, str, str, str], list[NameUse]] = {}
        for use in self.uses:
            if use.rule == rule:
                key = (use.known.text, use.standing, use.reason, use.role)
                groups.setdefault(key, []).append(use)
        for uses in islice(groups.values(), self.scan_limits.max_findings):
            first = uses[0]
            yield Finding(
                rule,
                SEVERITY_OF[first.standing],
                self.locate(first.offset, first.node),
                shortened(f"{first.known.text} is {first.role}: {first.reason}"),
                first.reach,
                evidence=shortened(first.known.text),
                count=len(uses),
            )
        left = len(groups) - self.scan_limits.max_findings
        if left > 0:
            worst = max((SEVERITY_OF[uses[0].standing] for uses in groups.values()), key=_rank)
            text = f"and {left} names more"
            yield Finding(rule, worst, self.locate(), text, Reach.EXECUTABLE, count=left)


def _is_news(use: NameUse) -> bool:
    return use.standing is Standing.DANGEROUS or (
        use.standing is Standing.UNKNOWN and isinstance(use.node, CallNode)
    )


def _rank(severity: Severity) -> int:
    return severity.verdict.rank


class Case:
    """One input and the cases of its pickles.

    Attributes:
        facts: what was found.
        pickles: one case for each pickle.
        limits: the caps that parsers had.
        scan_limits: the caps that the scan had.
    """

    def __init__(self, facts: InputFacts, limits: Limits, scan_limits: ScanLimits) -> None:
        """Judge nothing yet."""
        self.facts: Final = facts
        self.limits: Final = limits
        self.scan_limits: Final = scan_limits
        self.pickles: Final = tuple(PickleCase(item, scan_limits) for item in facts.pickles)


Rule = Callable[[Case], Iterator[Finding]]

"""Attributes of an object that hide the methods of its own class."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from itertools import islice

from converter.inert.names import canonical_name
from converter.inert.nodes import GlobalNode
from converter.risk.build_states import iter_state_keys
from converter.risk.finding import Finding, Reach, Severity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from converter.risk.case import Case, PickleCase

ID: Final = "attribute-shadowing"
# Classes whose objects keep attributes beside their items, and what callers call on them.
METHODS: Final = {
    ("collections", cls.__name__): frozenset(name for name in dir(cls) if name[:1] != "_")
    for cls in (OrderedDict, Counter, defaultdict)
}


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from islice(_judge_pickle(pickle), case.scan_limits.max_findings)


def _judge_pickle(pickle: PickleCase) -> Iterator[Finding]:
    protocol = pickle.graph.protocol
    for call in pickle.graph.calls:
        if not call.states or not isinstance(call.func, GlobalNode):
            continue
        name = canonical_name(call.func.module, call.func.name, protocol)
        methods = METHODS.get(name, frozenset())
        for key in (key for state in call.states for key in iter_state_keys(state)):
            if key in methods:
                yield Finding(
                    ID,
                    Severity.SUSPICIOUS,
                    pickle.locate(call.offset, call),
                    f"an attribute hides the method {key!r} of {'.'.join(name)}",
                    Reach.LATENT,
                    evidence=key,
                )

"""State that plants a method which a later step calls, or that is given twice."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.risk.build_states import iter_state_keys
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case, PickleCase

ID: Final = "setstate-planting"
# What functools.update_wrapper and class bodies leave in an object: nothing calls them.
_DESCRIPTIVE: Final = frozenset(
    {"__module__", "__doc__", "__wrapped__", "__name__", "__qualname__", "__annotations__"}
)


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from islice(_judge_pickle(pickle), case.scan_limits.max_findings)


def _judge_pickle(pickle: PickleCase) -> Iterator[Finding]:
    for call in pickle.graph.calls:
        for state in call.states or ():
            for key in iter_state_keys(state):
                if key.startswith("__") and key.endswith("__") and key not in _DESCRIPTIVE:
                    message = f"BUILD plants the special attribute {key[:80]!r} on an object"
                    place = pickle.locate(call.offset, call)
                    yield Finding(ID, Severity.DANGEROUS, place, message, evidence=key[:80])
        if call.states and len(call.states) > 1:
            yield Finding(
                ID,
                Severity.SUSPICIOUS,
                pickle.locate(call.offset, call),
                f"one object is given {len(call.states)} states; picklers give one",
                Reach.LATENT,
                evidence="BUILD",
            )

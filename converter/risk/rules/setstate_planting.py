"""State that plants a method which a later step calls, or that is given twice."""

from __future__ import annotations

from itertools import islice

from converter.inert.names import canonical_name
from converter.inert.nodes import GlobalNode, TupleNode
from converter.risk.build_states import is_computed, iter_state_keys
from converter.risk.finding import Finding, Reach, Severity
from converter.risk.known_names import safe_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from converter.inert.nodes import CallNode, Node
    from converter.risk.case import Case, PickleCase

ID: Final = "setstate-planting"
# What functools.update_wrapper and class bodies leave in an object: nothing calls them.
_DESCRIPTIVE: Final = frozenset(
    {"__module__", "__doc__", "__wrapped__", "__name__", "__qualname__", "__annotations__"}
)
# torch/_utils.py, _set_obj_state: what these set on the tensor, by the place of the argument.
_STATEFUL: Final = frozenset(
    {("torch._tensor", "_rebuild_from_type_v2"), ("torch._utils", "_rebuild_parameter_with_state")}
)
_STATE: Final = 3


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from islice(_judge_pickle(pickle), case.scan_limits.max_findings)


def _judge_pickle(pickle: PickleCase) -> Iterator[Finding]:
    protocol = pickle.graph.protocol
    for call in pickle.graph.calls:
        for state in _states(call, protocol):
            for key in iter_state_keys(state):
                if key.startswith("__") and key.endswith("__") and key not in _DESCRIPTIVE:
                    message = f"BUILD plants the special attribute {key[:80]!r} on an object"
                    place = pickle.locate(call.offset, call)
                    yield Finding(ID, Severity.DANGEROUS, place, message, evidence=key[:80])
            if is_computed(state) and _is_known(call.func, protocol):
                message = "the attributes that an object is given are computed by the pickle itself"
                place = pickle.locate(call.offset, call)
                yield Finding(ID, Severity.SUSPICIOUS, place, message, Reach.LATENT)
        if call.states and len(call.states) > 1:
            yield Finding(
                ID,
                Severity.SUSPICIOUS,
                pickle.locate(call.offset, call),
                f"one object is given {len(call.states)} states; picklers give one",
                Reach.LATENT,
                evidence="BUILD",
            )


def _states(call: CallNode, protocol: int | None) -> Iterator[Node]:
    """Yield the states an object is given, by BUILD or as the argument that is one."""
    yield from call.states or ()
    if isinstance(call.func, GlobalNode) and isinstance(call.args, TupleNode):
        name = canonical_name(call.func.module, call.func.name, protocol)
        if name in _STATEFUL and len(call.args.items) > _STATE:
            yield call.args.items[_STATE]


def _is_known(func: Node, protocol: int | None) -> bool:
    """Return whether the class is known to take a dict; numpy's generators take each other."""
    if not isinstance(func, GlobalNode):
        return False
    row = safe_name(*canonical_name(func.module, func.name, protocol))
    return row is not None and not row.module.startswith("numpy.random")

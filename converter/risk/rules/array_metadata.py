"""A numpy array that takes bytes of the file for pointers to objects."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.inert.names import canonical_name
from converter.inert.nodes import CallNode, GlobalNode, ListNode, TupleNode
from converter.risk.element_types import denies_objects, holds_objects, is_dtype
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.inert.nodes import Node
    from converter.risk.case import Case, PickleCase

ID: Final = "array-metadata"
_RECONSTRUCT: Final = ("numpy._core.multiarray", "_reconstruct")
_DTYPE: Final = ("numpy", "dtype")
# Functions that make elements of bytes → the arguments that are the dtype and the bytes.
_FROM_BYTES: Final = {
    ("numpy._core.multiarray", "scalar"): (0, 1),
    ("numpy._core.numeric", "_frombuffer"): (1, 0),
}
# The end of an array's state: (…, dtype, is Fortran's order, elements).
_STATE_DTYPE, _STATE_ELEMENTS = -3, -1
_RAW: Final = "elements that are pointers to objects are given as raw bytes"


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from islice(_judge_pickle(pickle), case.scan_limits.max_findings)


def _judge_pickle(pickle: PickleCase) -> Iterator[Finding]:
    protocol = pickle.graph.protocol
    for call in pickle.graph.calls:
        if not isinstance(call.func, GlobalNode) or not call.func.module.startswith("numpy"):
            continue
        fault = _fault(call, canonical_name(call.func.module, call.func.name, protocol), protocol)
        if fault is not None:
            place = pickle.locate(call.offset, call)
            yield Finding(ID, Severity.DANGEROUS, place, fault, Reach.EXECUTABLE)


def _fault(call: CallNode, name: tuple[str, str], protocol: int | None) -> str | None:
    """Return what is wrong with one array, scalar or dtype, or None."""
    if name == _DTYPE:
        if denies_objects(call, protocol):
            return "the flags of a dtype do not say that its elements are pointers to objects"
        return None
    if name == _RECONSTRUCT:
        found = (_fault_of_state(state, protocol) for state in call.states or ())
        return next((fault for fault in found if fault is not None), None)
    if name in _FROM_BYTES:
        dtype, elements = _FROM_BYTES[name]
        items = call.args.items if isinstance(call.args, TupleNode) else []
        if len(items) > max(dtype, elements):
            return _fault_of_elements(items[dtype], items[elements], protocol)
    return None


def _fault_of_state(state: Node, protocol: int | None) -> str | None:
    if not isinstance(state, TupleNode):
        return "the state of an array is computed by the pickle itself"
    if len(state.items) < -_STATE_DTYPE:
        return None
    return _fault_of_elements(state.items[_STATE_DTYPE], state.items[_STATE_ELEMENTS], protocol)


def _fault_of_elements(dtype: Node, elements: Node, protocol: int | None) -> str | None:
    if not is_dtype(dtype, protocol) or not holds_objects(dtype, protocol):
        return None
    return None if isinstance(elements, ListNode) else _RAW

"""Tensors that claim more than their storage holds."""

from __future__ import annotations

from itertools import islice

from converter.dtypes import BY_NAME, BY_STORAGE_CLASS
from converter.inert.names import canonical_name
from converter.inert.nodes import ByteString, CallNode, GlobalNode, PersistentNode, TupleNode
from converter.risk.finding import Finding, Reach, Severity
from converter.risk.known_names import safe_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from converter.inert.nodes import Node
    from converter.risk.case import Case, PickleCase

ID: Final = "tensor-metadata"
# Functions that lay a tensor over a storage → the argument that names its dtype, if one does.
_REBUILDERS: Final = {
    ("torch._utils", "_rebuild_tensor"): None,
    ("torch._utils", "_rebuild_tensor_v2"): None,
    ("torch._utils", "_rebuild_tensor_v3"): 6,
    ("torch._utils", "_rebuild_qtensor"): None,
}
# Functions that call one of those, given as their first argument, with their third one.
_CALLERS: Final = frozenset(
    {("torch._tensor", "_rebuild_from_type"), ("torch._tensor", "_rebuild_from_type_v2")}
)
_STORED: Final = ("torch.storage", "_load_from_bytes")
_META: Final = ("meta", b"meta")
# (storage, offset, sizes, strides): torch/_tensor.py, Tensor.__setstate__, before 0.4.
_STATE_ITEMS: Final = 4
# Storages whose elements share bytes count them in another way.
_PACKED: Final = frozenset({"QUInt4x2Storage", "QUInt2x4Storage"})


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from islice(_judge_pickle(case, pickle), case.scan_limits.max_findings)


def _judge_pickle(case: Case, pickle: PickleCase) -> Iterator[Finding]:
    protocol = pickle.graph.protocol
    for call in pickle.graph.calls:
        for args, dtype in _laid(call, protocol):
            items = args.items if isinstance(args, TupleNode) else []
            severity, fault = Severity.SUSPICIOUS, None
            if dtype is not None or not _is_sound(items):
                fault = _fault(case, items, dtype, protocol)
            if fault is None and pickle.facts.storages:
                severity, fault = Severity.UNREADABLE, _short(pickle, items)
            if fault is not None:
                place = pickle.locate(call.offset, call)
                yield Finding(ID, severity, place, fault, Reach.METADATA)


def _laid(call: CallNode, protocol: int | None) -> Iterable[tuple[Node, int | None]]:
    """Return the arguments of every laying of a tensor over a storage, and where its dtype is."""
    name = _name(call.func, protocol)
    if name in _REBUILDERS:
        return ((call.args, _REBUILDERS[name]),)
    if name in _CALLERS:
        items = call.args.items if isinstance(call.args, TupleNode) else []
        inner = _name(items[0], protocol) if len(items) > 2 else None
        return ((items[2], _REBUILDERS[inner]),) if inner in _REBUILDERS else ()
    if call.states and name is not None and name[1].endswith("Tensor"):
        states = [state for state in call.states if isinstance(state, TupleNode)]
        return [(state, None) for state in states if len(state.items) == _STATE_ITEMS]
    return ()


def _name(node: Node, protocol: int | None) -> tuple[str, str] | None:
    if isinstance(node, GlobalNode):
        return canonical_name(node.module, node.name, protocol)
    return None


def _is_sound(args: list[Node]) -> bool:
    """Return whether a tensor is what nearly every one is: inside its storage, by plain numbers.

    `_fault` has nothing against such a tensor, whatever the width of its elements.
    """
    if len(args) < _STATE_ITEMS:
        return False
    stored, offset, sizes, strides = args[:_STATE_ITEMS]
    if not (type(stored) is PersistentNode and type(sizes) is type(strides) is TupleNode):
        return False
    named = stored.pid.items if type(stored.pid) is TupleNode else []
    if len(named) < 5 or type(named[4]) is not int or type(offset) is not int or offset < 0:
        return False
    if len(sizes.items) != len(strides.items):
        return False
    count, last = 1, offset
    for size, stride in zip(sizes.items, strides.items, strict=True):
        if not (type(size) is type(stride) is int and size > 0 and stride >= 0):
            return False
        count *= size
        last += (size - 1) * stride
    return max(count, last + 1) <= named[4]


def _fault(case: Case, args: list[Node], dtype: int | None, protocol: int | None) -> str | None:
    """Return what is impossible about a tensor, or None."""
    if len(args) < _STATE_ITEMS:
        return "where a tensor lies in its storage is computed, or not said"
    if not isinstance(args[0], PersistentNode):
        return _not_stored(args[0], protocol)
    sizes, strides = _numbers(args[2]), _numbers(args[3])
    if sizes is None or strides is None or type(args[1]) is not int:
        return "sizes, strides or the offset of a tensor are no whole numbers"
    pid = args[0].pid
    items = pid.items if isinstance(pid, TupleNode) else []
    if len(items) < 5:
        return None
    if type(items[4]) is not int:
        return "the length of its storage is no number"
    if len(sizes) != len(strides) or min((args[1], items[4], *sizes, *strides)) < 0:
        return f"a tensor of sizes {sizes[:8]} has strides {strides[:8]} from {args[1]}"
    width = _width(items[1])
    nbytes = items[4] * (width or 1)
    wide = _dtype_width(args[dtype]) if dtype is not None and len(args) > dtype else width
    if width is None and wide is None:
        return None
    return _beyond(case, sizes, strides, args[1], wide or 1, nbytes)


def _not_stored(node: Node, protocol: int | None) -> str | None:
    """Return that a tensor has no storage; one in bytes of its own is judged as a pickle."""
    if isinstance(node, CallNode):
        name = _name(node.func, protocol)
        if name is None or name == _STORED or safe_name(*name) is None:
            return None
    return "a tensor is laid over something that is no storage"


def _beyond(
    case: Case, sizes: list[int], strides: list[int], offset: int, width: int, nbytes: int
) -> str | None:
    """Return how far a tensor reaches beyond its storage, or how far it is blown up."""
    count = 1
    for size in sizes:
        count *= size
    if count == 0:
        return None
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    if (last + 1) * width > nbytes:
        return f"a tensor reaches to byte {(last + 1) * width} of a storage of {nbytes}"
    if count * width - nbytes > case.limits.max_overlap_bytes:
        return f"a tensor of {count} elements stands on {nbytes} bytes"
    return None


def _short(pickle: PickleCase, args: list[Node]) -> str | None:
    """Return that the record of a storage is shorter than it is said to be.

    A file that was cut is that too, so it says no more than that something is missing.
    """
    pid = args[0].pid if args and isinstance(args[0], PersistentNode) else None
    items = pid.items if isinstance(pid, TupleNode) else []
    if len(items) < 5 or items[3] in _META:
        return None
    width = _width(items[1])
    if type(items[4]) is not int or width is None:
        return None
    key = items[2].decode("latin-1") if isinstance(items[2], ByteString) else str(items[2])
    there = pickle.facts.storages.get(key)
    nbytes = items[4] * width
    if there is not None and there < nbytes:
        return f"a storage is said to have {nbytes} bytes, and its record has {there}"
    return None


def _numbers(node: Node) -> list[int] | None:
    if isinstance(node, CallNode) and isinstance(node.args, TupleNode) and node.args.items:
        node = node.args.items[0]  # torch.Size((…))
    items = getattr(node, "items", None)
    if not isinstance(items, list) or any(type(item) is not int for item in items):
        return None
    return items


def _width(node: Node) -> int | None:
    """Return the bytes of an element of a storage class; 1 for untyped ones, None if unknown."""
    if not isinstance(node, GlobalNode) or node.name in _PACKED:
        return None
    dtype = BY_STORAGE_CLASS.get(node.name)
    return dtype.itemsize if dtype is not None else 1


def _dtype_width(node: Node) -> int | None:
    dtype = BY_NAME.get(node.name) if isinstance(node, GlobalNode) else None
    return dtype.itemsize if dtype is not None else None

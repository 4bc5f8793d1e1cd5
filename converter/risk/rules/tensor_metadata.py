"""Tensors that claim more than their storage holds."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Final

from converter.dtypes import BY_NAME, BY_STORAGE_CLASS
from converter.inert.nodes import ByteString, CallNode, GlobalNode, PersistentNode, TupleNode
from converter.risk.finding import Finding, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.inert.nodes import Node
    from converter.risk.case import Case, PickleCase

ID: Final = "tensor-metadata"
_REBUILDERS: Final = {"_rebuild_tensor": 0, "_rebuild_tensor_v2": 0, "_rebuild_tensor_v3": 6}
_MODULE: Final = "torch._utils"
_META: Final = ("meta", b"meta")


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        yield from islice(_judge_pickle(case, pickle), case.scan_limits.max_findings)


def _judge_pickle(case: Case, pickle: PickleCase) -> Iterator[Finding]:
    for call in pickle.graph.calls:
        func = call.func
        if (
            isinstance(func, GlobalNode)
            and func.name in _REBUILDERS
            and func.module == _MODULE
            and isinstance(call.args, TupleNode)
        ):
            items = call.args.items
            severity, fault = Severity.SUSPICIOUS, _fault(case, items, func.name)
            if fault is None:
                severity, fault = Severity.UNREADABLE, _short(pickle, items)
            if fault is not None:
                place = pickle.locate(call.offset, call)
                yield Finding(ID, severity, place, fault, Reach.METADATA)


def _fault(case: Case, args: list[Node], name: str) -> str | None:
    """Return what is impossible about a tensor, or None."""
    if len(args) < 4 or not isinstance(args[0], PersistentNode):
        return None
    pid = args[0].pid
    items = pid.items if isinstance(pid, TupleNode) else []
    sizes, strides = _numbers(args[2]), _numbers(args[3])
    if len(items) < 5 or sizes is None or strides is None or type(args[1]) is not int:
        return None
    if type(items[4]) is not int:
        return "the length of its storage is no number"
    if len(sizes) != len(strides) or min((args[1], items[4], *sizes, *strides)) < 0:
        return f"a tensor of sizes {sizes[:8]} has strides {strides[:8]} from {args[1]}"
    width = _width(items[1])
    nbytes = items[4] * (width or 1)
    wide = _dtype_width(args[6]) if name == "_rebuild_tensor_v3" and len(args) > 6 else width
    if width is None and wide is None:
        return None
    return _beyond(case, sizes, strides, args[1], wide or 1, nbytes)


def _beyond(
    case: Case, sizes: list[int], strides: list[int], offset: int, width: int, nbytes: int
) -> str | None:
    """Return how far a tensor reaches beyond its storage, or how far it is blown up."""
    count = math.prod(sizes)
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
    if not pickle.facts.storages or len(items) < 5 or items[3] in _META:
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
    if not isinstance(node, GlobalNode):
        return None
    dtype = BY_STORAGE_CLASS.get(node.name)
    return dtype.itemsize if dtype is not None else 1


def _dtype_width(node: Node) -> int | None:
    dtype = BY_NAME.get(node.name) if isinstance(node, GlobalNode) else None
    return dtype.itemsize if dtype is not None else None

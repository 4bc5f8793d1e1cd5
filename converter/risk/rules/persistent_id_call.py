"""Persistent ids that no writer of torch makes: calls, other classes, paths."""

from __future__ import annotations

from itertools import islice

from converter.inert.nodes import ATOMS, ByteString, CallNode, GlobalNode, PersistentNode, TupleNode
from converter.risk.case import SEVERITY_OF
from converter.risk.facts import Context, Origin
from converter.risk.finding import Finding, Reach, Severity
from converter.risk.name_uses import NameJudge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from converter.inert.nodes import Node
    from converter.risk.case import Case, PickleCase

ID: Final = "persistent-id-call"
_MODULE_ITEMS: Final = 3
_PACKAGE_ITEMS: Final = 4


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    for pickle in case.pickles:
        if pickle.graph.persistent and pickle.facts.origin is not Origin.ALTERNATIVE:
            yield from islice(_judge_pickle(pickle), case.scan_limits.max_findings)


def _judge_pickle(pickle: PickleCase) -> Iterator[Finding]:
    names = NameJudge(pickle.facts, pickle.facts.survey)
    for node in pickle.graph.persistent:
        fault = _fault(node, names, pickle.facts.context)
        if fault is not None:
            severity, text = fault
            place = pickle.locate(node.offset)
            yield Finding(ID, severity, place, f"a persistent id {text}", Reach.EXECUTABLE)


def _fault(node: PersistentNode, names: NameJudge, context: Context) -> tuple[Severity, str] | None:
    """Return what is wrong with an id, or None; its names are judged by their own rules too."""
    pid = node.pid
    if not isinstance(pid, TupleNode):
        if isinstance(pid, (CallNode, GlobalNode)):
            return Severity.SUSPICIOUS, "is no value"
        # The oldest checkpoints number their tensors; protocol 0 has nothing but text.
        return None if type(pid) in ATOMS else (Severity.UNKNOWN, "has a form of no known writer")
    items = pid.items
    first = _text(items[0]) if items else None
    for item in items:
        if type(item) is CallNode and not _is_nested_class(item, items, names):
            return Severity.SUSPICIOUS, "holds a call"
    if first == "storage":
        return _storage_fault(items, names)
    class_kinds = (GlobalNode, CallNode)
    if first == "module" or (len(items) == _MODULE_ITEMS and isinstance(items[0], class_kinds)):
        return None  # the class of a module and its source text: its name is judged as such
    if first == "reduce_package" and context is Context.PACKAGE and len(items) == _PACKAGE_ITEMS:
        known = names.name_of(items[2])
        if known is not None and known.row is not None and "package" in known.row.uses:
            return None
        severity = Severity.SUSPICIOUS
        if known is not None:
            severity = SEVERITY_OF.get(known.standing, Severity.UNKNOWN)
        shown = known.text if known is not None else "something that is no name"
        return severity, f"makes torch.package call {shown}"
    return Severity.UNKNOWN, "has a form of no known writer"


def _is_nested_class(call: CallNode, items: list[Node], names: NameJudge) -> bool:
    """Return whether a call looks up a class inside a class, where an id names that of a module."""
    is_named = _text(items[0]) == "module"
    place = 1 if is_named else 0
    whole = len(items) == _MODULE_ITEMS + is_named
    return whole and items[place] is call and names.name_of(call) is not None


def _storage_fault(items: list[Node], names: NameJudge) -> tuple[Severity, str] | None:
    if len(items) not in (5, 6):
        return Severity.SUSPICIOUS, f"of a storage has {len(items)} parts"
    known = names.name_of(items[1])
    if known is None or known.row is None or "storage" not in known.row.uses:
        shown = known.text if known is not None else "no name"
        return Severity.SUSPICIOUS, f"names {shown} as the class of a storage"
    key = _text(items[2])
    if type(items[2]) is not int and (key is None or "/" in key or "\\" in key or ".." in key):
        return Severity.SUSPICIOUS, f"has the key {str(key)[:80]!r}, which leads elsewhere"
    return None


def _text(node: Node) -> str | None:
    if type(node) is ByteString:
        return node.decode("latin-1")
    return node if type(node) is str else None

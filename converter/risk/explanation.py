"""Tells a pickle as pseudo-code: what an unpickler would have done, line by line, with offsets."""

from __future__ import annotations

from collections.abc import Iterator

from converter.inert.nodes import (
    ATOMS,
    CallNode,
    DictNode,
    ExtensionNode,
    GlobalNode,
    ListNode,
    Node,
    PersistentNode,
    SetNode,
    TupleNode,
    kind_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.risk.facts import InputFacts, PickleFacts

MAX_LINES: Final = 400
"""Lines for one pickle; what a person reads."""

_MAX_DEPTH: Final = 4
_MAX_ITEMS: Final = 6
_MAX_CHARS: Final = 60
_MAX_LINE_CHARS: Final = 200


def explain(facts: InputFacts) -> Iterator[str]:
    """Yield the lines for every pickle of an input."""
    for pickle in facts.pickles:
        yield from explain_pickle(pickle)


def explain_pickle(facts: PickleFacts) -> Iterator[str]:
    """Yield the lines for one pickle: its calls in order, then the value it gives."""
    graph = facts.graph
    where = facts.record or "(the file)"
    yield f"# {where}, from {graph.start}, {facts.origin.value}"
    names = {id(call): f"v{number}" for number, call in enumerate(graph.calls)}
    for count, call in enumerate(graph.calls):
        if count == MAX_LINES:
            yield f"# … {len(graph.calls) - count} calls more"
            break
        yield from _call_lines(call, names)
    for effect in graph.effects[:MAX_LINES]:
        target, operand = _text(effect.target, names), _text(effect.operand, names)
        yield f"{effect.offset:>8}  {effect.opcode.lower()}({target}, {operand})"
    if graph.error is not None:
        yield f"{graph.stop:>8}  # breaks off: {graph.error.what}"
    else:
        yield f"{graph.stop - 1:>8}  return {_text(graph.root, names)}"


def _call_lines(call: CallNode, names: dict[int, str]) -> Iterator[str]:
    name = names[id(call)]
    args = call.args.items if isinstance(call.args, TupleNode) else [call.args]
    shown = ", ".join(_text(item, names) for item in args[:_MAX_ITEMS])
    more = ", …" if len(args) > _MAX_ITEMS else ""
    func = _text(call.func, names)
    made = ".__new__" if call.opcode.startswith("NEWOBJ") else ""
    yield _cut(f"{call.offset:>8}  {name} = {func}{made}({shown}{more})")
    for state in call.states or ():
        yield _cut(f"{'':>8}  {name}.__setstate__({_text(state, names)})")
    if call.entries:
        yield _cut(f"{'':>8}  {name}.update(…)  # {len(call.entries) // 2} entries")
    if call.appended:
        yield _cut(f"{'':>8}  {name}.extend(…)  # {len(call.appended)} items")


def _cut(line: str) -> str:
    return line if len(line) <= _MAX_LINE_CHARS else f"{line[:_MAX_LINE_CHARS]}…"


def _text(node: Node, names: dict[int, str], depth: int = 0) -> str:
    """Return a value in one line, what lies deep or is long left out."""
    if type(node) in ATOMS:
        text = repr(node)
        return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"
    if isinstance(node, CallNode):
        return names.get(id(node), "(call)")
    if isinstance(node, GlobalNode):
        return f"{node.module}.{node.name}"
    if isinstance(node, ExtensionNode):
        return f"copyreg.extension({node.code})"
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(node, PersistentNode):
        return f"persistent{_text(node.pid, names, depth + 1)}"
    return _container_text(node, names, depth + 1)


def _container_text(node: Node, names: dict[int, str], depth: int) -> str:
    if not isinstance(node, (ListNode, TupleNode, DictNode, SetNode)):
        return f"<{kind_of(node)}>"
    items = [_text(item, names, depth) for item in node.items[: 2 * _MAX_ITEMS]]
    more = ", …" if len(node.items) > 2 * _MAX_ITEMS else ""
    if isinstance(node, DictNode):
        pairs = zip(items[::2], items[1::2], strict=False)
        return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + more + "}"
    brackets = {ListNode: "[]", TupleNode: "()", SetNode: "{}"}[type(node)]
    comma = "," if isinstance(node, TupleNode) and len(items) == 1 else ""
    return brackets[0] + ", ".join(items) + comma + more + brackets[1]

"""Everything reachable from a node, in stream order, each thing once, and the path to it.

Nothing recurses: a graph is as deep as its stream likes, and may contain itself.
"""

from __future__ import annotations

from converter.frozen import Frozen
from converter.inert.nodes import (
    ATOMS,
    CallNode,
    DictNode,
    ListNode,
    Node,
    PersistentNode,
    SetNode,
    TupleNode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final, Literal, TypeAlias

    EdgeKind: TypeAlias = Literal[
        "index",  # the index-th item of a list, tuple or set
        "key",  # the key of the index-th entry of a dict
        "value",  # the value of the index-th entry of a dict; `Edge.key` is its key
        "pid",  # the id of a persistent node
        "func",
        "args",
        "kwargs",
        "state",  # the operand of the index-th BUILD
        "entry_key",  # as key and value, for the entries set on what a call made
        "entry_value",
        "appended",  # the index-th item appended to what a call made
    ]


class Edge(Frozen):
    """How a node is reached from the one that holds it."""

    kind: EdgeKind
    index: int = 0
    key: Node = None


class Visit:
    """One node on a walk.

    Attributes:
        node: what is visited.
        edge: how it was reached from `parent`; None at the root.
        parent: the visit of the node that holds it; None at the root.
    """

    __slots__ = ("edge", "node", "parent")

    def __init__(self, node: Node, edge: Edge | None = None, parent: Visit | None = None) -> None:
        """Hold the three."""
        self.node: Final = node
        self.edge: Final = edge
        self.parent: Final = parent

    def path(self) -> tuple[Edge, ...]:
        """Return the edges from the root to this node."""
        edges = []
        visit: Visit | None = self
        while visit is not None:
            if visit.edge is not None:
                edges.append(visit.edge)
            visit = visit.parent
        return tuple(reversed(edges))


def walk(root: Node) -> Iterator[Visit]:
    """Visit `root` and everything reachable from it, depth first, parents before children.

    A node with an identity is visited once, where it is met first. Plain values (`ATOMS`) have
    none, and are visited wherever they stand.
    """
    seen = set()
    visits = iter((Visit(root),))
    pending = [visits]
    while pending:
        visit = next(pending[-1], None)
        if visit is None:
            pending.pop()
            continue
        node = visit.node
        if type(node) in ATOMS:
            yield visit
        elif id(node) not in seen:
            seen.add(id(node))
            yield visit
            pending.append(_child_visits(visit))


def _child_visits(parent: Visit) -> Iterator[Visit]:
    for edge, child in iter_children(parent.node):
        yield Visit(child, edge, parent)


def iter_children(node: Node) -> Iterator[tuple[Edge, Node]]:
    """Iterate over what `node` holds directly, in stream order, with the edge to each."""
    children = _CHILDREN.get(type(node))
    return children(node) if children is not None else iter(())


def _indexed(kind: EdgeKind, items: list[Node] | None) -> Iterator[tuple[Edge, Node]]:
    for index, item in enumerate(items or ()):
        yield Edge(kind, index), item


def _paired(
    key_kind: EdgeKind, value_kind: EdgeKind, flat: list[Node] | None
) -> Iterator[tuple[Edge, Node]]:
    """Iterate over keys and values of a flat list."""
    key: Node = None
    for index, item in enumerate(flat or ()):
        if index % 2:
            yield Edge(value_kind, index // 2, key), item
        else:
            key = item
            yield Edge(key_kind, index // 2), item


def _of_items(node: ListNode | TupleNode | SetNode) -> Iterator[tuple[Edge, Node]]:
    return _indexed("index", node.items)


def _of_dict(node: DictNode) -> Iterator[tuple[Edge, Node]]:
    return _paired("key", "value", node.items)


def _of_persistent(node: PersistentNode) -> Iterator[tuple[Edge, Node]]:
    yield Edge("pid"), node.pid
    yield from _indexed("state", node.states)


def _of_call(node: CallNode) -> Iterator[tuple[Edge, Node]]:
    yield Edge("func"), node.func
    yield Edge("args"), node.args
    if node.opcode == "NEWOBJ_EX":
        yield Edge("kwargs"), node.kwargs
    yield from _indexed("state", node.states)
    yield from _paired("entry_key", "entry_value", node.entries)
    yield from _indexed("appended", node.appended)


_CHILDREN: Final[Mapping[type, Callable[..., Iterator[tuple[Edge, Node]]]]] = {
    ListNode: _of_items,
    TupleNode: _of_items,
    SetNode: _of_items,
    DictNode: _of_dict,
    PersistentNode: _of_persistent,
    CallNode: _of_call,
}

"""One quick walk over a graph: names that stand as data, bytes that may hold more, depth.

Everything is visited that an unpickler would have made, used in the end or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from converter.frozen import Frozen
from converter.inert.call_opcodes import NO_TEXT
from converter.inert.nodes import (
    ATOMS,
    ByteArrayNode,
    ByteString,
    CallNode,
    DictNode,
    ExtensionNode,
    GlobalNode,
    Graph,
    ListNode,
    Node,
    PersistentNode,
    SetNode,
    TupleNode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_TEXTS: Final = frozenset({str, bytes, ByteString})
_CONTAINERS: Final = frozenset({ListNode, TupleNode, DictNode, SetNode})
# Shorter ones hold no pickle that names anything: "c", two names, newlines and STOP.
SHORTEST_BLOB: Final = 6
# Fewer shared lists than these cannot multiply to anything large.
FEWEST_SHARED: Final = 20


class DataName:
    """A name that stands as data; quick to make, for there is one in the id of every tensor.

    Attributes:
        node: the name.
        holder: what holds it; None for a root.
        place: its index among the holder's children.
    """

    __slots__ = ("holder", "node", "place")

    def __init__(self, node: GlobalNode | ExtensionNode, holder: Node, place: int) -> None:
        """Hold the three."""
        self.node: Final = node
        self.holder: Final = holder
        self.place: Final = place


class Blob(Frozen):
    """A string that may hold a pickle of its own.

    Attributes:
        value: the string.
        holder: what holds it; None for a root.
    """

    value: str | bytes
    holder: Node


class Survey:
    """What the walk found.

    Attributes:
        names: names that stand as data, in no order.
        blobs: strings that begin like a pickle, a compressed stream or the base64 of either.
        depth: levels of nesting.
        shared: how many times a filled list, tuple, dict or set is met again.
    """

    __slots__ = ("blobs", "depth", "names", "shared")

    def __init__(self) -> None:
        """Start with nothing."""
        self.names: Final[list[DataName]] = []
        self.blobs: Final[list[Blob]] = []
        self.depth = 0
        self.shared = 0


def roots_of(graph: Graph) -> list[Node]:
    """Return everything of a graph that nothing else may hold."""
    effects = [node for effect in graph.effects for node in (effect.target, effect.operand)]
    return [graph.root, *graph.leftover, *effects, *graph.calls, *graph.persistent]


def byte_names(graph: Graph) -> tuple[str, str] | None:
    """Return module and name where STACK_GLOBAL met strings of Python 2, which ends our reading.

    CPython decodes them as ASCII and goes on; no pickler mixes the two.
    """
    operands = graph.leftover[-2:]
    if graph.error is None or len(operands) < 2 or graph.error.what != NO_TEXT:
        return None
    texts = [
        item.decode("latin-1") if isinstance(item, ByteString) else item
        for item in operands
        if isinstance(item, (str, ByteString))
    ]
    return (texts[0], texts[1]) if len(texts) == len(operands) else None


def survey_of(graph: Graph, is_blob: Callable[[str | bytes], object]) -> Survey:
    """Walk over a graph.

    Args:
        graph: what to walk over.
        is_blob: whether a string is worth trying as a pickle.
    """
    found = Survey()
    # Nodes have no equality but identity. Their `id` in the set says the same and takes twice as
    # long as the whole walk: a number has to be made of each address, and addresses, all of them
    # multiples of 16, hash to themselves and collide.
    seen: set[Node] = set()
    for root in roots_of(graph):
        kind = type(root)
        if kind in _TEXTS:
            if len(root) >= SHORTEST_BLOB and is_blob(root):  # type: ignore[arg-type]
                found.blobs.append(Blob(root, None))  # type: ignore[arg-type]
        elif kind not in ATOMS and root not in seen:
            seen.add(root)
            _walk(root, seen, found, is_blob)
    return found


def _walk(
    root: Node, seen: set[Node], found: Survey, is_blob: Callable[[str | bytes], object]
) -> None:
    """Visit what is reachable from `root` and was not seen yet."""
    if isinstance(root, (GlobalNode, ExtensionNode)):
        found.names.append(DataName(root, None, 0))
        return
    deepest = found.depth
    pending: list[tuple[Node, int]] = [(root, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > deepest:  # noqa: PLR1730 - not one more call for each node
            deepest = depth
        kind = type(node)
        children = node.items if kind is TupleNode else _CHILDREN.get(kind, _of_nothing)(node)  # type: ignore[union-attr]
        for index, child in enumerate(children):
            kind = type(child)
            if kind in ATOMS:
                if kind in _TEXTS and len(child) >= SHORTEST_BLOB and is_blob(child):
                    found.blobs.append(Blob(child, node))
            elif kind is GlobalNode or kind is ExtensionNode:
                found.names.append(DataName(child, node, index))
            else:
                # One look tells both: the set grows by what it did not have.
                count = len(seen)
                seen.add(child)
                if len(seen) > count:
                    pending.append((child, depth + 1))
                elif kind in _CONTAINERS and child.items:
                    found.shared += 1
    found.depth = deepest


def children_of(node: Node) -> Sequence[Node]:
    """Return what a node holds, without the name that a call calls."""
    return _CHILDREN.get(type(node), _of_nothing)(node)


def _of_nothing(_: Node) -> Sequence[Node]:
    return ()


def _of_call(call: CallNode) -> list[Node]:
    found = [call.args]
    if type(call.func) is not GlobalNode:
        found.append(call.func)
    if call.kwargs is not None:
        found.append(call.kwargs)
    for more in (call.states, call.entries, call.appended):
        if more:
            found += more
    return found


def _of_persistent(node: PersistentNode) -> list[Node]:
    return [node.pid, *node.states] if node.states else [node.pid]


def _of_items(node: ListNode | TupleNode | DictNode | SetNode) -> list[Node]:
    return node.items


def _of_bytearray(node: ByteArrayNode) -> list[Node]:
    return [node.value]


_CHILDREN: Final[dict[type, Callable[..., Sequence[Node]]]] = {
    ListNode: _of_items,
    TupleNode: _of_items,
    SetNode: _of_items,
    DictNode: _of_items,
    CallNode: _of_call,
    PersistentNode: _of_persistent,
    ByteArrayNode: _of_bytearray,
}


def iter_strings(node: Node, count: int, seen: set[int] | None = None) -> Iterator[Blob]:
    """Iterate over the strings below a node, at most `count` nodes of it.

    Args:
        node: where to begin.
        count: how many nodes to look into.
        seen: identities of nodes to pass over, added to on the way: shared between calls, it
            keeps calls inside each other's arguments from being walked again for each of them.
    """
    seen = set() if seen is None else seen
    pending = [node]
    while pending and count > 0:
        holder = pending.pop()
        count -= 1
        for child in children_of(holder):
            kind = type(child)
            if kind in _TEXTS:
                yield Blob(child, holder)  # type: ignore[arg-type]
            elif kind not in ATOMS and id(child) not in seen:
                seen.add(id(child))
                pending.append(child)


def expanded_size(graph: Graph, most: int) -> int:
    """Return how many nodes a value has when shared parts are counted wherever they stand.

    Args:
        graph: whose values to measure.
        most: where to stop counting.
    """
    sizes: dict[int, int] = {}
    total = 0
    for root in roots_of(graph):
        total = max(total, _expanded(root, sizes, most))
    return total


def _expanded(root: Node, sizes: dict[int, int], most: int) -> int:
    """Return the size below one root; what contains itself counts once."""
    pending: list[tuple[Node, bool]] = [(root, False)]
    while pending:
        node, done = pending.pop()
        if done:
            size = 1 + sum(sizes.get(id(child), 1) for child in children_of(node))
            sizes[id(node)] = min(size, most + 1)
        elif id(node) not in sizes and type(node) not in ATOMS:
            sizes[id(node)] = 1
            pending.append((node, True))
            pending.extend((child, False) for child in children_of(node))
    return sizes.get(id(root), 1)

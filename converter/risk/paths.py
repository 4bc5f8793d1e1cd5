"""The way from a pickle's root to a value, as a person would write it in Python."""

from __future__ import annotations

from converter.inert.nodes import ATOMS
from converter.inert.walk import Edge, Visit, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from converter.inert.nodes import Node

_MAX_EDGES: Final = 40
_MAX_KEY_CHARS: Final = 60
_MAX_VISITS: Final = 5_000_000


def paths_of(root: Node, wanted: Iterable[Node]) -> dict[int, str]:
    """Return the identity of each wanted node that is reachable from `root` → the way to it."""
    missing = {id(node) for node in wanted}
    found: dict[int, str] = {}
    if not missing:
        return found
    for count, visit in enumerate(walk(root)):
        if id(visit.node) in missing and type(visit.node) not in ATOMS:
            found[id(visit.node)] = path_text(visit)
            missing.discard(id(visit.node))
        if not missing or count > _MAX_VISITS:
            break
    return found


def path_text(visit: Visit) -> str:
    """Return the way to a visited node: ``root['model'].state[3]``."""
    edges = visit.path()
    shown = edges if len(edges) <= _MAX_EDGES else edges[-_MAX_EDGES:]
    start = "root" if shown is edges else f"root…({len(edges) - _MAX_EDGES} steps)…"
    return start + "".join(_edge_text(edge) for edge in shown)


def _edge_text(edge: Edge) -> str:
    if edge.kind in ("index", "appended"):
        return f"[{edge.index}]"
    if edge.kind in ("value", "entry_value"):
        return f"[{_key_text(edge.key)}]"
    if edge.kind in ("key", "entry_key"):
        return f".key({edge.index})"
    return f".{edge.kind}"


def _key_text(key: Node) -> str:
    if type(key) in ATOMS:
        text = repr(key)
        return text if len(text) <= _MAX_KEY_CHARS else f"{text[:_MAX_KEY_CHARS]}…"
    return type(key).__name__

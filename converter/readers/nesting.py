"""Values by full name put back into the tree that they were flattened from.

A distributed checkpoint keeps the path of each value: texts lead into dicts, ints into lists. Int
keys of dicts became texts and tuples became lists when it was written; which ones, nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from converter.anomaly import Anomaly
from converter.checkpoint.canonical import Note
from converter.checkpoint.values import MappingValue, SequenceValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.checkpoint.canonical import Opened
    from converter.checkpoint.values import Value

    Path: TypeAlias = tuple[str | int, ...]


class _Branch:
    """A dict or a list in the making."""

    __slots__ = ("children",)

    def __init__(self) -> None:
        self.children: Final[dict[str | int, _Branch | _Leaf]] = {}


class _Leaf:
    """A value."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value: Final = value


def nested(
    opened: Opened, values: Mapping[str, Value], paths: Mapping[str, tuple[str | int, ...]]
) -> MappingValue:
    """Return the tree of `values`; one without a path, or whose path is taken, keeps its name."""
    root = _Branch()
    for name, value in values.items():
        path = paths.get(name, (name,))
        if isinstance(path[0], str) and _put(root, path, value):
            continue
        detail = f"the path {list(path)} of {name} cannot stand in one tree with the others"
        opened.anomalies.append(Anomaly("dcp_path_taken", detail))
        key = name
        while key in root.children:
            key += "~"
        root.children[key] = _Leaf(value)
    if any(_is_doubtful(path) for path in paths.values()):
        text = (
            "keys that look like numbers are texts, and tuples are lists: "
            "distributed checkpoints do not keep the difference"
        )
        opened.notes.append(Note("dcp_key_types", text))
    return _built(root)


def _is_doubtful(path: Path) -> bool:
    return any(type(part) is int or (type(part) is str and part.isdigit()) for part in path)


def _put(root: _Branch, path: Path, value: Value) -> bool:
    """Put a value at its path; return False where another one is in the way."""
    branch = root
    for part in path[:-1]:
        child = branch.children.setdefault(part, _Branch())
        if isinstance(child, _Leaf):
            return False
        branch = child
    if path[-1] in branch.children:
        return False
    branch.children[path[-1]] = _Leaf(value)
    return True


def _built(root: _Branch) -> MappingValue:
    """Return a branch as values, without Python recursion."""
    top = MappingValue("dict")
    pending: list[tuple[_Branch, MappingValue | SequenceValue]] = [(root, top)]
    while pending:
        branch, shell = pending.pop()
        children = branch.children.items()
        if isinstance(shell, SequenceValue):
            children = sorted(children)  # type: ignore[assignment] # all keys are ints
        for key, child in children:
            value: Value
            if isinstance(child, _Leaf):
                value = child.value
            else:
                value = SequenceValue("list", []) if _is_list(child) else MappingValue("dict")
                pending.append((child, value))
            if isinstance(shell, SequenceValue):
                shell.items.append(value)
            else:
                shell.entries.append((key, value))
    return top


def _is_list(branch: _Branch) -> bool:
    """Return whether all keys are ints, from 0 without a gap."""
    keys = branch.children.keys()
    return (
        bool(keys)
        and all(type(key) is int for key in keys)
        and min(keys) == 0
        and max(keys) == len(keys) - 1
    )

"""Finds what a weights-only pickle cannot hold, and makes a tree ready to be written."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    MappingValue,
    PlainValue,
    Value,
    children,
    is_atom,
    label_of,
)
from converter.inert.nodes import ByteString
from converter.writing.plain_data import PlainCopy
from converter.writing.weights_only import is_meta, reason_against

# Where a value stands: the place above it, and a label. None is the root.
_Where: TypeAlias = "tuple[_Where, str] | None"
_MAX_LABELS: Final = 40
_MAX_SHORT_STRING: Final = 255


class Unsupported(NamedTuple):
    """A value that weights-only loading does not take.

    Attributes:
        path: where it stands, labels joined by dots; ``(root)`` for the whole.
        what: what it is, in a few words.
    """

    path: str
    what: str


def prepare(root: Value) -> tuple[Value, list[Unsupported]]:
    """Return a tree as it can be written, and what of it is said as plain data.

    A tree that can be written as it is comes back itself, not copied.
    """
    found: list[Unsupported] = []
    copy = False
    names: dict[tuple[str, str], Value] = {}
    seen: set[int] = set()
    stack: list[tuple[Value, _Where]] = [(root, None)]
    while stack:
        value, where = stack.pop()
        if not is_atom(value):
            if id(value) in seen:
                continue
            seen.add(id(value))
        reason = reason_against(value)
        if reason is not None:
            found.append(Unsupported(_path(where), reason))
        copy = copy or reason is not None or _changes(value, names)
        inside = children(value)
        stack += [(child, (where, label)) for label, child in reversed(inside)]
    return (PlainCopy().copy(root) if copy else root), found


def _changes(value: Value, names: dict[tuple[str, str], Value]) -> bool:
    """Return whether a supported value is written as another one that means the same."""
    if type(value) is ByteString:
        return len(value) > _MAX_SHORT_STRING
    if isinstance(value, MappingValue) and any(
        type(key) is ByteString and len(key) > _MAX_SHORT_STRING for key, _ in value.entries
    ):
        return True
    if isinstance(value, TensorRef):
        return is_meta(value.storage)
    if isinstance(value, PlainValue) and value.kind in ("torch.dtype", "torch.qscheme"):
        return names.setdefault((value.kind, label_of(value.fields[0])), value) is not value
    attributes = getattr(value, "attributes", None)
    return attributes is not None and getattr(value, "kind", "OrderedDict") != "OrderedDict"


def _path(where: _Where) -> str:
    labels: list[str] = []
    while where is not None:
        where, label = where
        labels.append(label)
    labels.reverse()
    if len(labels) > _MAX_LABELS:
        half = _MAX_LABELS // 2
        labels[half:-half] = ["…"]
    return ".".join(labels) or "(root)"

"""Whether the elements of a numpy array are pointers to objects, by the pickle of its dtype."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.inert.names import canonical_name
from converter.inert.nodes import ByteString, CallNode, DictNode, GlobalNode, TupleNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.inert.nodes import Node

_DTYPE: Final = ("numpy", "dtype")
_OBJECTS: Final = frozenset({("numpy", "object_"), ("builtins", "object")})
# One code of several, as in "i4,O": numpy/_core/_internal.py, _commastring.
_OBJECT_CODE: Final = re.compile(r"(?:^|,)\s*(?:\([^)]*\)|[0-9])*[<>|=]?(?:O|object)")
# numpy/_core/src/multiarray/descriptor.c, arraydescr_setstate: (version, byte order, subdtype,
# names, fields, itemsize, alignment, flags, metadata).
_SUBDTYPE, _FIELDS, _FLAGS = 2, 4, 7
# NPY_ITEM_REFCOUNT and NPY_LIST_PICKLE: numpy/_core/include/numpy/ndarraytypes.h.
_OBJECT_FLAGS: Final = 0x01 | 0x02
_MAX_DTYPES: Final = 10_000


def is_dtype(node: Node, protocol: int | None) -> bool:
    """Return whether a node is a call that makes a dtype."""
    return isinstance(node, CallNode) and _name(node.func, protocol) == _DTYPE


def holds_objects(node: Node, protocol: int | None) -> bool:
    """Return whether elements of a dtype hold pointers, as far as its pickle says."""
    return any(_is_object(dtype, protocol) for dtype in _iter_dtypes(node, protocol))


def denies_objects(node: CallNode, protocol: int | None) -> bool:
    """Return whether a dtype holds objects and its flags say that it does not.

    numpy believes the flags: the pointers then come from bytes of the file.
    """
    for state in node.states or ():
        if not isinstance(state, TupleNode):
            return True
        flags = state.items[_FLAGS] if len(state.items) > _FLAGS else None
        parts = state.items[_SUBDTYPE : _FIELDS + 1]
        if type(flags) is int and flags & _OBJECT_FLAGS != _OBJECT_FLAGS:
            inside = any(_is_object(item, protocol) for item in _iter_dtypes(parts, protocol))
            if inside or _is_object(node, protocol):
                return True
    return False


def _iter_dtypes(node: Node | list[Node], protocol: int | None) -> Iterator[CallNode]:
    """Iterate over the dtypes in a node, those of fields and of subarrays among them."""
    pending: list[Node] = list(node) if isinstance(node, list) else [node]
    seen: set[int] = set()
    while pending and len(seen) < _MAX_DTYPES:
        found = pending.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, (TupleNode, DictNode)):
            pending += found.items
        elif isinstance(found, CallNode) and _name(found.func, protocol) == _DTYPE:
            yield found
            for state in found.states or ():
                if isinstance(state, TupleNode):
                    pending += state.items[_SUBDTYPE : _FIELDS + 1]


def _is_object(dtype: Node, protocol: int | None) -> bool:
    """Return whether a dtype by itself is that of objects."""
    args = dtype.args if isinstance(dtype, CallNode) else None
    code = args.items[0] if isinstance(args, TupleNode) and args.items else None
    if isinstance(code, GlobalNode):
        return _name(code, protocol) in _OBJECTS
    if type(code) is ByteString:
        code = code.decode("latin-1")
    return type(code) is str and _OBJECT_CODE.search(code) is not None


def _name(node: Node, protocol: int | None) -> tuple[str, str] | None:
    if isinstance(node, GlobalNode):
        return canonical_name(node.module, node.name, protocol)
    return None

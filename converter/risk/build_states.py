"""What a BUILD would set on an object."""

from __future__ import annotations

from converter.inert.nodes import ByteString, CallNode, DictNode, Node, TupleNode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTS = 2


def iter_state_keys(state: Node) -> Iterator[str]:
    """Iterate over the attributes that a state names.

    ``Lib/pickle.py``, load_build: a dict goes into ``__dict__``; of a tuple of two, the second
    dict is set attribute by attribute. An OrderedDict is a dict as well.
    """
    for key in _iter_keys(state):
        if isinstance(key, str):
            yield key
        elif type(key) is ByteString:
            yield key.decode("latin-1")


def is_computed(state: Node) -> bool:
    """Return whether a state, or a key of it, only comes about while the pickle runs.

    Picklers write the names of attributes as texts, in a dict of their own.
    """
    parts = any(isinstance(part, CallNode) and not _is_empty(part) for part in _parts(state))
    return parts or any(isinstance(key, CallNode) for key in _iter_keys(state))


def _is_empty(call: CallNode) -> bool:
    return isinstance(call.args, TupleNode) and not call.args.items


def _parts(state: Node) -> list[Node]:
    if isinstance(state, TupleNode) and len(state.items) == _PARTS:
        return state.items
    return [state]


def _iter_keys(state: Node) -> Iterator[Node]:
    for part in _parts(state):
        if isinstance(part, DictNode):
            yield from part.items[::2]
        elif isinstance(part, CallNode) and part.entries:
            yield from part.entries[::2]

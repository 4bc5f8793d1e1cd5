"""What a BUILD would set on an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.inert.nodes import ByteString, DictNode, Node, TupleNode

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTS = 2


def iter_state_keys(state: Node) -> Iterator[str]:
    """Iterate over the attributes that a state names.

    ``Lib/pickle.py``, load_build: a dict goes into ``__dict__``; of a tuple of two, the second
    dict is set attribute by attribute.
    """
    parts = state.items if isinstance(state, TupleNode) and len(state.items) == _PARTS else [state]
    for part in parts:
        if isinstance(part, DictNode):
            for key in part.items[::2]:
                if isinstance(key, str):
                    yield key
                elif type(key) is ByteString:
                    yield key.decode("latin-1")

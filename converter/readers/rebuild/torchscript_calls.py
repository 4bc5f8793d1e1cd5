"""What the calls in TorchScript's pickles would have built: the value they are given.

torch/jit/_pickle.py: the functions only carry the static type of a list or a dict, for the C++
unpickler; in Python they return their argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import MappingValue, SequenceValue, Value
from converter.inert.nodes import CallNode, ListNode
from converter.readers.rebuild.plain_values import arguments, require_untouched
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULE: Final = "torch.jit._pickle"
_LISTS: Final = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist")


def _list(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``build_intlist([1, 2])`` is the list."""
    require_untouched(call)
    (members,) = arguments(call, rebuilder, 1, 1)
    if not isinstance(members, ListNode):
        raise NotThisShapeError
    return rebuilder.convert(members)


def _tagged(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``restore_type_tag(value, 'Dict[str, int]')`` is the value."""
    require_untouched(call)
    tagged, tag = arguments(call, rebuilder, 2, 2)
    value = rebuilder.convert(tagged)
    if not isinstance(tag, str) or not isinstance(value, (SequenceValue, MappingValue)):
        raise NotThisShapeError
    return value


BUILDERS: Final[dict[tuple[str, str], Callable[[CallNode, Rebuilder], Value]]] = {
    **{(_MODULE, name): _list for name in _LISTS},
    (_MODULE, "restore_type_tag"): _tagged,
}
"""Canonical (module, name) → what calling it would have built."""

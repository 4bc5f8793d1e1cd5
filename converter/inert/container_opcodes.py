"""The opcodes that make tuples, lists, dicts and sets, and those that fill them.

An opcode that cannot be executed leaves the stack as it was: what stands there is then still
shown by `Graph.leftover`.
"""

from __future__ import annotations

from converter.errors import PickleError
from converter.inert.nodes import CallNode, DictNode, ListNode, SetNode, TupleNode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from converter.inert.nodes import Node
    from converter.inert.processor import Handler, Processor

_new: Final = object.__new__
"""Makes a node without calling its `__init__`, which takes as long as everything else about it;
for the few kinds that a checkpoint has by the million."""


def _empty_tuple(processor: Processor, _data: bytes, position: int) -> int:
    node = _new(TupleNode)
    node.offset = processor.origin + position
    node.items = []
    processor.stack.append(node)
    return position


def _tuple1(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    stack[-1] = TupleNode(processor.origin + position, [stack[-1]])
    return position


def _tuple2(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    first = stack[-2]
    second = stack.pop()
    stack[-1] = node = _new(TupleNode)
    node.offset = processor.origin + position
    node.items = [first, second]
    return position


def _tuple3(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    first = stack[-3]
    third = stack.pop()
    second = stack.pop()
    stack[-1] = node = _new(TupleNode)
    node.offset = processor.origin + position
    node.items = [first, second, third]
    return position


def _tuple(processor: Processor, _data: bytes, position: int) -> int:
    below = processor.metastack.pop()
    node = _new(TupleNode)
    node.offset = processor.origin + position
    node.items = processor.stack
    below.append(node)
    processor.stack = below
    return position


def _empty_list(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack.append(ListNode(processor.origin + position, []))
    return position


def _list(processor: Processor, _data: bytes, position: int) -> int:
    below = processor.metastack.pop()
    below.append(ListNode(processor.origin + position, processor.stack))
    processor.stack = below
    return position


def _empty_dict(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack.append(DictNode(processor.origin + position, []))
    return position


def _dict(processor: Processor, _data: bytes, position: int) -> int:
    items = processor.stack
    below = processor.metastack[-1]
    _check_pairs(items)
    below.append(DictNode(processor.origin + position, items))
    processor.stack = processor.metastack.pop()
    return position


def _empty_set(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack.append(SetNode(processor.origin + position, [], frozen=False))
    return position


def _frozenset(processor: Processor, _data: bytes, position: int) -> int:
    below = processor.metastack.pop()
    below.append(SetNode(processor.origin + position, processor.stack, frozen=True))
    processor.stack = below
    return position


def _check_pairs(items: list[Node]) -> None:
    """Check that keys and values alternate."""
    if len(items) % 2:
        raise PickleError(
            "a key has no value", expected="an even number of items", found=str(len(items))
        )


def _append(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    target = stack[-2]
    item = stack.pop()
    if type(target) is ListNode:
        target.items.append(item)
    else:
        _extend_other(processor, "APPEND", processor.origin + position, [item])
    return position


def _appends(processor: Processor, _data: bytes, position: int) -> int:
    items = processor.stack
    below = processor.metastack[-1]
    target = below[-1]
    processor.stack = below
    processor.metastack.pop()
    if type(target) is ListNode:
        target.items.extend(items)
    elif items:  # CPython does not look at the target when there is nothing to append
        _extend_other(processor, "APPENDS", processor.origin + position, items)
    return position


def _extend_other(processor: Processor, opcode: str, offset: int, items: list[Node]) -> None:
    """Append to the value on top of the stack, which is no list."""
    target = processor.stack[-1]
    if type(target) is CallNode:
        _append_to_call(target, items)
    else:
        operand = ListNode(offset, items)
        processor.record_effect("append_on_non_list", opcode, offset, [target, operand])


def _append_to_call(call: CallNode, items: list[Node]) -> None:
    if items:
        if call.appended is None:
            call.appended = []
        call.appended.extend(items)


def _setitem(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    target = stack[-3]
    items = stack[-2:]
    del stack[-2:]
    if type(target) is DictNode:
        target.items.extend(items)
    else:
        _set_items_of_other(processor, "SETITEM", processor.origin + position, items)
    return position


def _setitems(processor: Processor, _data: bytes, position: int) -> int:
    items = processor.stack
    below = processor.metastack[-1]
    target = below[-1]
    _check_pairs(items)
    processor.stack = below
    processor.metastack.pop()
    if type(target) is DictNode:
        target.items.extend(items)
    elif items:
        _set_items_of_other(processor, "SETITEMS", processor.origin + position, items)
    return position


def _set_items_of_other(processor: Processor, opcode: str, offset: int, items: list[Node]) -> None:
    """Set items of the value on top of the stack, which is no dict."""
    target = processor.stack[-1]
    if type(target) is CallNode:
        if target.entries is None:
            target.entries = []
        target.entries.extend(items)
    else:
        operand = ListNode(offset, items)
        processor.record_effect("setitem_on_non_dict", opcode, offset, [target, operand])


def _additems(processor: Processor, _data: bytes, position: int) -> int:
    items = processor.stack
    below = processor.metastack[-1]
    target = below[-1]
    processor.stack = below
    processor.metastack.pop()
    if type(target) is SetNode and not target.frozen:
        target.items.extend(items)
    elif type(target) is CallNode:
        _append_to_call(target, items)
    elif items:
        offset = processor.origin + position
        operand = ListNode(offset, items)
        processor.record_effect("additems_on_non_set", "ADDITEMS", offset, [target, operand])
    return position


HANDLERS: Final[Mapping[str, Handler]] = {
    "EMPTY_TUPLE": _empty_tuple,
    "TUPLE1": _tuple1,
    "TUPLE2": _tuple2,
    "TUPLE3": _tuple3,
    "TUPLE": _tuple,
    "EMPTY_LIST": _empty_list,
    "LIST": _list,
    "APPEND": _append,
    "APPENDS": _appends,
    "EMPTY_DICT": _empty_dict,
    "DICT": _dict,
    "SETITEM": _setitem,
    "SETITEMS": _setitems,
    "EMPTY_SET": _empty_set,
    "ADDITEMS": _additems,
    "FROZENSET": _frozenset,
}

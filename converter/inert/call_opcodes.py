"""The opcodes that look up names, call things and change what was made; here nothing happens.

Each leaves a node that says what an unpickler would have done.
"""

from __future__ import annotations

from struct import Struct

from converter.errors import PickleError
from converter.inert.nodes import (
    ATOMS,
    BufferNode,
    CallNode,
    ExtensionNode,
    GlobalNode,
    PersistentNode,
    TupleNode,
    kind_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from converter.inert.nodes import Node
    from converter.inert.processor import Handler, Processor

_uint2: Final = Struct("<H").unpack_from
_int4: Final = Struct("<i").unpack_from


def _push_global(processor: Processor, offset: int, module: str, name: str) -> None:
    node = GlobalNode(offset, module, name)
    processor.stack.append(node)
    processor.graph.globals.append(node)


def _name_line(processor: Processor, data: bytes, position: int, encoding: str) -> tuple[str, int]:
    """Return one of the two lines of a name, which must not be empty."""
    line, position = processor.line(data, position)
    if not line:
        raise PickleError("an operand is empty", expected="a name", found="an empty line")
    return line.decode(encoding), position


def _global(processor: Processor, data: bytes, position: int) -> int:
    offset = processor.origin + position
    module, position = _name_line(processor, data, position, "utf-8")
    name, position = _name_line(processor, data, position, "utf-8")
    _push_global(processor, offset, module, name)
    return position


NO_TEXT: Final = "STACK_GLOBAL needs text"
"""What is wrong where its operands are none."""


def _stack_global(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    module, name = stack[-2], stack[-1]
    offset = processor.origin + position
    if type(module) is not str or type(name) is not str:
        if type(module) not in ATOMS or type(name) not in ATOMS:
            # An unpickler goes on if what was called gave text; which text is not known here.
            detail = f"module: {kind_of(module)}, name: {kind_of(name)}"
            processor.note("global_name_computed", detail, offset=offset)
        raise PickleError(
            NO_TEXT,
            expected="str and str",
            found=f"{kind_of(module)} and {kind_of(name)}",
        )
    del stack[-2:]
    _push_global(processor, offset, module, name)
    return position


def _push_call(processor: Processor, call: CallNode) -> None:
    processor.stack.append(call)
    processor.graph.calls.append(call)


def _inst(processor: Processor, data: bytes, position: int) -> int:
    offset = processor.origin + position
    module, position = _name_line(processor, data, position, "ascii")
    name, position = _name_line(processor, data, position, "ascii")
    below = processor.metastack.pop()
    args = TupleNode(offset, processor.stack)
    processor.stack = below
    func = GlobalNode(offset, module, name)
    processor.graph.globals.append(func)
    _push_call(processor, CallNode(offset, "INST", func, args))
    return position


def _obj(processor: Processor, _data: bytes, position: int) -> int:
    offset = processor.origin + position
    items = processor.stack
    below = processor.metastack[-1]
    func = items[0]
    processor.stack = below
    processor.metastack.pop()
    _push_call(processor, CallNode(offset, "OBJ", func, TupleNode(offset, items[1:])))
    return position


def _newobj(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    func = stack[-2]
    call = CallNode(processor.origin + position, "NEWOBJ", func, stack.pop())
    stack[-1] = call
    processor.graph.calls.append(call)
    return position


def _newobj_ex(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    func = stack[-3]
    kwargs = stack.pop()
    call = CallNode(processor.origin + position, "NEWOBJ_EX", func, stack.pop())
    call.kwargs = kwargs
    stack[-1] = call
    processor.graph.calls.append(call)
    return position


def _reduce(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    func = stack[-2]
    call = CallNode(processor.origin + position, "REDUCE", func, stack.pop())
    stack[-1] = call
    processor.graph.calls.append(call)
    return position


def _build(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    target = stack[-2]
    state = stack.pop()
    if type(target) is CallNode:
        _add_state(target, state)
        return processor.continue_after_build(target, position)
    if type(target) is PersistentNode:
        _add_state(target, state)
    else:
        offset = processor.origin + position
        code = f"build_on_{kind_of(target)}"
        processor.record_effect(code, "BUILD", offset, [target, state])
    return position


def _add_state(target: CallNode | PersistentNode, state: Node) -> None:
    if target.states is None:
        target.states = [state]
    else:
        target.states.append(state)


def _persid(processor: Processor, data: bytes, position: int) -> int:
    offset = processor.origin + position
    line, position = processor.line(data, position)
    node = PersistentNode(offset, line.decode("ascii"))
    processor.stack.append(node)
    processor.graph.persistent.append(node)
    return position


def _binpersid(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    node = PersistentNode(processor.origin + position, stack[-1])
    stack[-1] = node
    processor.graph.persistent.append(node)
    return position


def _push_extension(processor: Processor, offset: int, code: int) -> None:
    if code <= 0:
        raise PickleError("an extension code is impossible", expected="1 or more", found=str(code))
    node = ExtensionNode(offset, code)
    processor.stack.append(node)
    processor.graph.extensions.append(node)


def _ext1(processor: Processor, data: bytes, position: int) -> int:
    _push_extension(processor, processor.origin + position, data[position])
    return position + 1


def _ext2(processor: Processor, data: bytes, position: int) -> int:
    _push_extension(processor, processor.origin + position, _uint2(data, position)[0])
    return position + 2


def _ext4(processor: Processor, data: bytes, position: int) -> int:
    _push_extension(processor, processor.origin + position, _int4(data, position)[0])
    return position + 4


def _next_buffer(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack.append(BufferNode(processor.origin + position))
    return position


def _readonly_buffer(processor: Processor, _data: bytes, position: int) -> int:
    target = processor.stack[-1]
    if type(target) is BufferNode:
        target.readonly = True
    else:
        kind = kind_of(target)
        detail = f"READONLY_BUFFER on a value of kind {kind}"
        offset = processor.origin + position
        processor.note(f"readonly_buffer_on_{kind}", detail, offset=offset)
    return position


HANDLERS: Final[Mapping[str, Handler]] = {
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _inst,
    "OBJ": _obj,
    "NEWOBJ": _newobj,
    "NEWOBJ_EX": _newobj_ex,
    "REDUCE": _reduce,
    "BUILD": _build,
    "PERSID": _persid,
    "BINPERSID": _binpersid,
    "EXT1": _ext1,
    "EXT2": _ext2,
    "EXT4": _ext4,
    "NEXT_BUFFER": _next_buffer,
    "READONLY_BUFFER": _readonly_buffer,
}

"""The opcodes about the stream, the stack and the memo."""

from __future__ import annotations

from struct import Struct

from converter.errors import PickleError
from converter.inert import literals
from converter.inert.atom_opcodes import numeral
from converter.inert.opcodes import HIGHEST_PROTOCOL
from converter.inert.processor import StopReading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from converter.inert.processor import Handler, Processor

_uint4: Final = Struct("<I").unpack_from
_uint8: Final = Struct("<Q").unpack_from
_MAX_C_SIZE: Final = (1 << 63) - 1


def _proto(processor: Processor, data: bytes, position: int) -> int:
    protocol = data[position]
    if protocol > HIGHEST_PROTOCOL:
        raise PickleError(
            "unsupported pickle protocol",
            expected=f"at most {HIGHEST_PROTOCOL}",
            found=str(protocol),
        )
    graph = processor.graph
    offset = processor.origin + position
    if graph.protocol is not None:
        detail = f"protocol {protocol} after protocol {graph.protocol}"
        processor.note("proto_repeated", detail, offset=offset)
    else:
        graph.protocol = protocol
        if offset != graph.start:
            detail = f"protocol {protocol} is not declared by the first opcode"
            processor.note("proto_misplaced", detail, offset=offset)
    return position + 1


def _frame(processor: Processor, data: bytes, position: int) -> int:
    nbytes: int = _uint8(data, position)[0]
    if nbytes > _MAX_C_SIZE:
        raise PickleError(
            "a frame length is impossible", expected=f"at most {_MAX_C_SIZE}", found=str(nbytes)
        )
    return processor.enter_frame(position + 8, nbytes)


def _stop(processor: Processor, _data: bytes, position: int) -> int:
    processor.graph.root = processor.stack.pop()
    raise StopReading(position)


def _mark(processor: Processor, _data: bytes, position: int) -> int:
    processor.metastack.append(processor.stack)
    processor.stack = []
    return position


def _pop(processor: Processor, _data: bytes, position: int) -> int:
    if processor.stack:
        processor.stack.pop()
    else:
        processor.stack = processor.metastack.pop()
    return position


def _pop_mark(processor: Processor, _data: bytes, position: int) -> int:
    processor.stack = processor.metastack.pop()
    return position


def _dup(processor: Processor, _data: bytes, position: int) -> int:
    stack = processor.stack
    stack.append(stack[-1])
    return position


def _binput(processor: Processor, data: bytes, position: int) -> int:
    index = data[position]
    memo = processor.memo
    if index == len(memo) and not processor.far_memo:
        memo.append(processor.stack[-1])
    else:
        processor.memoize(index)
    return position + 1


def _long_binput(processor: Processor, data: bytes, position: int) -> int:
    index = _uint4(data, position)[0]
    memo = processor.memo
    if index == len(memo) and not processor.far_memo:
        memo.append(processor.stack[-1])
    else:
        processor.memoize(index)
    return position + 4


def _memoize(processor: Processor, _data: bytes, position: int) -> int:
    processor.memoize(len(processor.memo) + len(processor.far_memo))
    return position


def _binget(processor: Processor, data: bytes, position: int) -> int:
    index = data[position]
    try:
        processor.stack.append(processor.memo[index])
    except IndexError:
        processor.stack.append(processor.far_memo[index])
    return position + 1


def _long_binget(processor: Processor, data: bytes, position: int) -> int:
    index = _uint4(data, position)[0]
    try:
        processor.stack.append(processor.memo[index])
    except IndexError:
        processor.stack.append(processor.far_memo[index])
    return position + 4


def _index(processor: Processor, data: bytes, position: int) -> tuple[int, int]:
    """Return the memo index on a line, and the position behind it.

    An index beyond C's Py_ssize_t is an error to CPython's C unpickler and none to its Python one
    (python/cpython#144410); a negative one is an error to both.
    """
    line, position = numeral(processor, data, position, literals.is_plain_index)
    index = literals.parse_index(line)
    if not 0 <= index <= _MAX_C_SIZE:
        raise PickleError(
            "a memo index is impossible", expected=f"0 to {_MAX_C_SIZE}", found=str(index)
        )
    return index, position


def _put(processor: Processor, data: bytes, position: int) -> int:
    index, position = _index(processor, data, position)
    processor.memoize(index)
    return position


def _get(processor: Processor, data: bytes, position: int) -> int:
    index, position = _index(processor, data, position)
    try:
        processor.stack.append(processor.memo[index])
    except IndexError:
        processor.stack.append(processor.far_memo[index])
    return position


HANDLERS: Final[Mapping[str, Handler]] = {
    "PROTO": _proto,
    "FRAME": _frame,
    "STOP": _stop,
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": _dup,
    "PUT": _put,
    "BINPUT": _binput,
    "LONG_BINPUT": _long_binput,
    "MEMOIZE": _memoize,
    "GET": _get,
    "BINGET": _binget,
    "LONG_BINGET": _long_binget,
}

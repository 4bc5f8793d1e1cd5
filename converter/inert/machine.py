"""The pickle machine: it executes a stream into a graph of nodes, and nothing else happens.

Names stay strings, calls become nodes, nothing is imported, called or evaluated. The rules are
those of CPython's C unpickler; where its Python unpickler differs, an anomaly is left.

1. One handler per opcode byte; the loop only looks it up and calls it.
2. A handler that runs off the window raises IndexError or struct.error before it has changed
   anything; the window moves to the start of its opcode, and the opcode is executed again.
3. The same errors from an operand that was all there mean that the stack is too short.
4. Whatever else is wrong ends the reading: the error goes into the graph, beside everything
   that was understood before.
"""

from __future__ import annotations

import struct
from itertools import repeat
from operator import length_hint

from converter.errors import FormatError, LimitError, PickleError
from converter.garbage import collector_paused
from converter.inert import atom_opcodes, call_opcodes, container_opcodes, stack_opcodes
from converter.inert.nodes import Graph
from converter.inert.opcodes import BY_BYTE, OPCODES
from converter.inert.processor import Processor, StopReading
from converter.limits import DEFAULT_LIMITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.inert.processor import AfterBuild, Handler
    from converter.limits import Limits


def read_graph(
    source: ByteSource,
    *,
    start: int = 0,
    record: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    after_build: AfterBuild | None = None,
) -> Graph:
    """Read one pickle and return what it describes, as far as it could be understood.

    Args:
        source: where the pickle is; it may hold much more.
        start: offset of its first opcode, in bytes.
        record: name of the record that `source` is, for messages and anomalies.
        limits: what the pickle may make us do.
        after_build: called after each BUILD on a call, with that call and the offset behind the
            opcode; returns the offset to continue at, which lets a caller step over raw bytes
            between opcodes (joblib writes arrays there).

    Returns:
        The graph. A stream that is malformed, truncated or over a limit does not raise:
        `Graph.error` says what is wrong and where.

    Raises:
        SourceError: the source cannot be read.
    """
    graph = Graph(start)
    processor = Processor(source, graph, record=record, limits=limits, after_build=after_build)
    with collector_paused():
        error = _execute(processor)
    graph.leftover = processor.leftover()
    if error is None:
        _note_leftover(processor)
    else:
        graph.error = _located(error, processor)
    return graph


def _execute(processor: Processor) -> FormatError | None:
    """Execute opcodes up to STOP, or return what ended the reading before it."""
    graph = processor.graph
    limit = processor.limits.max_opcodes
    handlers = HANDLERS
    budget = repeat(None, limit)
    error: FormatError | None = None
    while error is None:
        data, origin, position = processor.data, processor.origin, 0
        try:
            for _ in budget:
                position = handlers[data[position]](processor, data, position + 1)
            error = LimitError("max_opcodes", allowed=limit, found=limit + 1)
        except StopReading as stop:
            position = stop.position
            break
        except (IndexError, struct.error):
            budget = _refunded(budget)
            error = _load_following(processor, data, origin, position)
        except (KeyError, ValueError, FormatError) as fault:
            budget = _refunded(budget)
            error = _explain(fault, data[position])
    graph.opcode_count = limit - length_hint(budget)
    graph.stop = _offset(processor, data, origin, position)
    return error


def _refunded(budget: repeat[None]) -> repeat[None]:
    """Return the budget of an opcode more: the last one was not executed."""
    return repeat(None, length_hint(budget) + 1)


def _offset(processor: Processor, data: bytes, origin: int, position: int) -> int:
    """Return the offset of a position; one behind the window counts from where a jump leads."""
    return (origin if position < len(data) else processor.origin) + 1 + position


def _load_following(
    processor: Processor, data: bytes, origin: int, position: int
) -> PickleError | None:
    """Move the window to the opcode at `position`, or say why that does not help."""
    nbytes = 1
    if position < len(data):
        opcode = BY_BYTE[data[position]]
        nbytes += opcode.argument.fixed_nbytes
        if position + nbytes <= len(data):
            return PickleError(
                "stack underflow",
                expected=f"what {opcode.name} takes from the stack",
                found="fewer values since the last mark, or no mark",
            )
    try:
        processor.load(_offset(processor, data, origin, position), nbytes)
    except PickleError as error:
        return error
    return None


def _explain(fault: Exception, byte: int) -> FormatError:
    """Return the error that a fault of the opcode `byte` amounts to."""
    if isinstance(fault, FormatError):
        return fault
    name = BY_BYTE[byte].name
    if isinstance(fault, KeyError):
        return PickleError(
            "the memo has no such entry",
            expected=f"an index that was put before this {name}",
            found=str(fault.args[0]),
        )
    return PickleError(f"the operand of {name} is malformed", found=str(fault)[:200])


def _located(error: FormatError, processor: Processor) -> FormatError:
    """Return `error` with its place, and without the frames it came through.

    Those would keep the window and the machine alive as long as the graph.
    """
    error.source = processor.source.name
    error.record = processor.record
    if error.offset is None:
        error.offset = processor.graph.stop
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _note_leftover(processor: Processor) -> None:
    """Note what an orderly stream would not have left behind at STOP."""
    graph = processor.graph
    stop = graph.stop
    if processor.metastack:
        # pickletools refuses it, loaders take it (python/cpython#127079).
        detail = f"{len(processor.metastack)} marks"
        processor.note("mark_left_at_stop", detail, offset=stop - 1)
    if graph.leftover:
        detail = f"{len(graph.leftover)} values below the root"
        processor.note("stack_not_empty_at_stop", detail, offset=stop - 1)
    if processor.frame_stop not in (None, stop):
        detail = f"the frame ends at {processor.frame_stop}, the stream at {stop}"
        processor.note("frame_not_ended_at_stop", detail, offset=stop - 1)


def _unknown(_processor: Processor, data: bytes, position: int) -> int:
    raise PickleError(
        "unknown opcode",
        expected="an opcode of protocols 0 to 5",
        found=f"0x{data[position - 1]:02x}",
    )


def _handler_table() -> tuple[Handler, ...]:
    """Return the handler of each byte."""
    handlers = {
        **stack_opcodes.HANDLERS,
        **atom_opcodes.HANDLERS,
        **container_opcodes.HANDLERS,
        **call_opcodes.HANDLERS,
    }
    table: list[Handler] = [_unknown] * 256
    for opcode in OPCODES:
        table[opcode.byte] = handlers[opcode.name]
    return tuple(table)


HANDLERS: Final = _handler_table()

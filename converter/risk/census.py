"""Counts the opcodes of a pickle without executing them: a lexer, and no second machine.

It follows the bytes only; what an opcode does is `converter.inert.machine`'s to know.
"""

from __future__ import annotations

from converter.inert.opcodes import COUNTED, LINES, OPCODES
from converter.risk.facts import Census

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource

# Memo indexes beyond all those written so far, and this many more, are no pickler's.
_FAR: Final = 100_000
_PUT, _BINPUT, _LONG_BINPUT, _MEMOIZE = 0x70, 0x71, 0x72, 0x94
_PUTS: Final = frozenset({_PUT, _BINPUT, _LONG_BINPUT, _MEMOIZE})
_LONGS: Final = frozenset({0x8A, 0x8B})
_MAX_DIGITS: Final = 20


def _table() -> tuple[list[int], list[int], list[int]]:
    """Return by byte: the fixed width, whether a length stands there, and lines that follow."""
    width, counted, lines = [-1] * 256, [0] * 256, [0] * 256
    for opcode in OPCODES:
        width[opcode.byte] = opcode.argument.fixed_nbytes
        counted[opcode.byte] = int(opcode.argument in COUNTED)
        lines[opcode.byte] = LINES.get(opcode.argument, 0)
    return width, counted, lines


_WIDTH, _COUNTS, _LINE_COUNT = _table()
# Length of the opcodes that are nothing but a step, 0 for all others.
_STEP: Final = [
    0 if _COUNTS[byte] or _LINE_COUNT[byte] or byte in _PUTS else 1 + _WIDTH[byte]
    for byte in range(256)
]


# Bytes of the length that an opcode begins with, 0 for those without one.
_COUNTED_NBYTES: Final = [_WIDTH[byte] if _COUNTS[byte] else 0 for byte in range(256)]


class _Memo:
    """Which memo entries are written."""

    def __init__(self) -> None:
        self.written: set[int] = set()
        self.rewritten: int | None = None
        self.far: int | None = None

    def put(self, index: int, offset: int) -> None:
        if index in self.written:
            if self.rewritten is None:
                self.rewritten = offset
            return
        if index > len(self.written) + _FAR and self.far is None:
            self.far = offset
        self.written.add(index)


def census_of(source: ByteSource, start: int, stop: int) -> Census:
    """Count the opcodes from `start` to `stop`, as far as the bytes are opcodes.

    Raises:
        SourceError: the source cannot be read.
    """
    data = source.read_at(start, stop - start)
    memo = _Memo()
    written = memo.written
    kinds = bytearray(256)
    longest = 0
    position, end = 0, len(data)
    while position < end:
        byte = data[position]
        kinds[byte] = 1
        step = _STEP[byte]
        if step:
            position += step
            continue
        operand = position + 1
        if byte == _BINPUT and operand < end:
            index = data[operand]
            if index in written:
                memo.put(index, start + position)
            else:
                written.add(index)  # an index of one byte is never far
            position += 2
            continue
        counted = _COUNTED_NBYTES[byte]
        if counted:
            operand_stop = operand + counted
            nbytes = int.from_bytes(data[operand:operand_stop], "little")
            if nbytes > longest and byte in _LONGS:
                longest = nbytes
            position = operand_stop + nbytes
            continue
        if byte in _PUTS:
            position = _stop_of(data, byte, operand)
            memo.put(_index(data, byte, operand, position, memo), start + operand - 1)
            continue
        if _WIDTH[byte] < 0:
            kinds[byte] = 0
            break
        position = _stop_of(data, byte, operand)
    return Census(
        opcodes=frozenset(byte for byte in range(256) if kinds[byte]),
        highest_put=max(memo.written, default=None),
        puts=len(memo.written),
        rewritten=memo.rewritten,
        far_put=memo.far,
        longest_long=longest,
    )


def _stop_of(data: bytes, byte: int, operand: int) -> int:
    """Return where the opcode behind this one begins; it says no length itself."""
    stop = operand + _WIDTH[byte]
    for _ in range(_LINE_COUNT[byte]):
        newline = data.find(b"\n", stop)
        stop = len(data) if newline < 0 else newline + 1
    return stop


def _index(data: bytes, byte: int, operand: int, position: int, memo: _Memo) -> int:
    """Return the memo index that an opcode writes; 0 for one that is no number."""
    if byte == _MEMOIZE:
        return len(memo.written)
    if byte != _PUT:
        return int.from_bytes(data[operand:position], "little")
    digits = data[operand : position - 1].strip()
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return len(memo.written) + _FAR + 1
    return int(digits)

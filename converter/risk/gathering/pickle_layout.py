"""What in a small pickle may be different in another one of which the same is to be said.

Checkpoints of one run differ in a step, a loss or a date, those of one program in the names of
their tensors. Such a value stands in a plain dict, list or tuple of the checkpoint and nowhere
else: nothing is called with it, no attribute, class or storage is named by it. No rule asks what
it is, but for texts that may be pickles themselves.

Which values these are is found out by writing others in their places and looking where they turn
up: in the same opcodes a value takes the same way, whatever it is.
"""

from __future__ import annotations

import struct

from converter.byteio.pieces import parts_between, pieces_of
from converter.byteio.source import MemorySource
from converter.containers.zip_structures import END_SIGNATURE
from converter.frozen import Frozen
from converter.inert.machine import read_graph
from converter.inert.nodes import ATOMS, CallNode, DictNode, GlobalNode, ListNode, TupleNode
from converter.inert.opcodes import BY_BYTE, COUNTED, LINES
from converter.risk.gathering.glance import HEAD_NBYTES, USTAR
from converter.risk.strings import is_blob
from converter.risk.survey import children_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from converter.byteio.pieces import Pieces
    from converter.inert.nodes import Graph, Node
    from converter.limits import Limits

_BINUNICODE, _SHORT_BINUNICODE = 0x58, 0x8C
_BININT1, _BININT2, _BININT, _BINFLOAT = 0x4B, 0x4D, 0x4A, 0x47
_TEXT: Final = _BINUNICODE
# Opcodes whose operand may be another one → what to call them.
_KINDS: Final = {
    **dict.fromkeys((_BINUNICODE, _SHORT_BINUNICODE), _TEXT),
    **{opcode: opcode for opcode in (_BININT1, _BININT2, _BININT, _BINFLOAT)},
}
# What detection of formats looks at, apart from marks that are looked for by themselves.
_START_NBYTES: Final = 16
_PROTO: Final = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
# A value is told by two digits of this base; and by a third, to tell it from values that stay.
_BASE: Final = 128
_MOST_VALUES: Final = _BASE * _BASE
# Bytes of a pickle in which it is worth finding out: it is read three times more.
_LONGEST: Final = 1 << 16
# What is added to a digit to make a number of one opcode and of no other.
_ADDED: Final = {_BININT1: 0, _BININT2: 1_000, _BININT: 100_000}
_ADDED_TO_FLOATS: Final = 0.5
_PLAIN: Final = frozenset({DictNode, ListNode, TupleNode})
_FLOAT: Final = struct.Struct(">d")


class PickleLayout(Frozen):
    """How one pickle is laid out, and what the next must have in common with it.

    Attributes:
        fixed: cuts out everything that must be the same.
        same: what that is.
        texts: cuts out the texts that may be others; None where there are none.
    """

    fixed: Pieces
    same: tuple[bytes, ...]
    texts: Pieces | None

    def fits(self, data: bytes) -> bool:
        """Return whether a pickle of the same length differs in nothing that any rule looks at."""
        if self.fixed(data) != self.same or END_SIGNATURE in data:
            return False
        if data[HEAD_NBYTES - len(USTAR) : HEAD_NBYTES] == USTAR:
            return False
        if self.texts is None:
            return True
        texts = self.texts(data)
        return b"".join(texts).isascii() and not any(
            is_blob(text.decode("ascii")) for text in texts
        )


class _Operand(Frozen):
    """A text or a number in a pickle.

    Attributes:
        kind: the opcode it belongs to, one for all texts.
        start: its first byte.
        stop: one past its last one.
    """

    kind: int
    start: int
    stop: int

    def marked(self, digit: int) -> bytes:
        """Return another value of the same length that tells a digit."""
        nbytes = self.stop - self.start
        if self.kind == _TEXT:
            return bytes([digit]) * nbytes
        if self.kind == _BINFLOAT:
            return _FLOAT.pack(digit + _ADDED_TO_FLOATS)
        return (digit + _ADDED[self.kind]).to_bytes(nbytes, "little")


def _digit_of(value: Node) -> tuple[int, int] | None:
    """Return the kind and the digit of a value that was marked, or None for one that was not."""
    if type(value) is str and value[:1].isascii() and value and value == value[0] * len(value):
        return _TEXT, ord(value[0])
    if type(value) is float and value - _ADDED_TO_FLOATS in range(_BASE):
        return _BINFLOAT, int(value - _ADDED_TO_FLOATS)
    if type(value) is int:
        for kind, added in _ADDED.items():
            if value - added in range(_BASE):
                return kind, value - added
    return None


def pickle_layout_of(data: bytes, graph: Graph, limits: Limits) -> PickleLayout | None:
    """Return the layout of a pickle, or None where it is none of the usual.

    Args:
        data: its bytes.
        graph: what it describes; nothing was found in it.
        limits: what it was read by.
    """
    odd = graph.error or graph.effects or graph.extensions or graph.leftover or graph.anomalies
    if odd or not data.startswith(_PROTO):
        return None
    if not all(type(call.func) is GlobalNode for call in graph.calls):
        return None
    free = _free_operands(data, graph, limits) if len(data) <= _LONGEST else []
    fixed = parts_between([slice(found.start, found.stop) for found in free], len(data))
    if fixed is None:
        return None
    texts = [slice(found.start, found.stop) for found in free if found.kind == _TEXT]
    cut = pieces_of(fixed)
    layout = PickleLayout(cut, cut(data), pieces_of(texts) if texts else None)
    return layout if layout.fits(data) else None


def _free_operands(data: bytes, graph: Graph, limits: Limits) -> list[_Operand]:
    """Return the operands that stand nowhere but among plain values.

    The pickle is read three times with its operands numbered: each has the low digit of its number
    in its place, then the high digit, then the opposite of the low one. Where a value of the graph
    is, three times over, what number 300 was given, it is operand 300: no value that stays the same
    is a digit and its opposite. So it is told which operands are plain, and which something is done
    with, even if they are plain elsewhere: those are fixed. In doubt, an operand is fixed.
    """
    operands = [
        operand
        for operand in _iter_operands(data)
        if operand.start >= _START_NBYTES and operand.start < operand.stop
    ]
    if len(operands) > _MOST_VALUES:
        return []
    read: list[tuple[Node, ...]] = []
    plain: list[tuple[Node, ...]] = []
    for digits in (_low_digit, _high_digit, _opposite_digit):
        marked = _marked(data, operands, [digits(number) for number in range(len(operands))])
        again = read_graph(MemorySource(marked, ""), limits=limits)
        if again.error is not None or again.opcode_count != graph.opcode_count:
            return []
        values = _values(again)
        read.append(tuple(values[0]))
        plain.append(tuple(values[1]))
    fixed = _told(operands, read)
    return [operands[number] for number in sorted(_told(operands, plain) - fixed)]


def _low_digit(number: int) -> int:
    return number % _BASE


def _high_digit(number: int) -> int:
    return number // _BASE


def _opposite_digit(number: int) -> int:
    """Return a digit that no number has in common with its low one."""
    return _BASE - 1 - number % _BASE


def _iter_operands(data: bytes) -> Iterator[_Operand]:
    """Iterate over the texts and numbers of a pickle in order."""
    position = 0
    while position < len(data):
        byte = data[position]
        argument = BY_BYTE[byte].argument
        start = position + 1
        position = start + argument.fixed_nbytes
        if argument in COUNTED:
            nbytes = int.from_bytes(data[start:position], "little")
            start, position = position, position + nbytes
        for _ in range(LINES.get(argument, 0)):
            position = data.index(b"\n", position) + 1
        if byte in _KINDS:
            yield _Operand(_KINDS[byte], start, position)


def _marked(data: bytes, operands: list[_Operand], digits: list[int]) -> bytes:
    """Return a pickle with a digit in the place of every operand."""
    marked = bytearray(data)
    for operand, digit in zip(operands, digits, strict=True):
        marked[operand.start : operand.stop] = operand.marked(digit)
    return bytes(marked)


def _told(operands: list[_Operand], values: list[tuple[Node, ...]]) -> set[int]:
    """Return the numbers of the operands that some values come from.

    Args:
        operands: all of them.
        values: the same values of the graph three times, as each was marked.
    """
    told = set()
    for marked in zip(*values, strict=True):
        digits = [found for value in marked if (found := _digit_of(value)) is not None]
        if len(digits) < len(marked) or len({kind for kind, _ in digits}) > 1:
            continue
        kind = digits[0][0]
        low, high, opposite = (digit for _, digit in digits)
        number = low + _BASE * high
        if opposite != _opposite_digit(low) or number >= len(operands):
            continue
        if operands[number].kind == kind:
            told.add(number)
    return told


def _values(graph: Graph) -> tuple[list[Node], list[Node]]:
    """Return the texts and numbers of a graph: those that something is done with, and the plain.

    A value may be among both. They come in an order that depends on the opcodes alone, so that the
    same place means the same value however the operands are marked.
    """
    read: list[Node] = []
    for name in graph.globals:
        read += (name.module, name.name)
    seen: set[int] = set()
    pending = _used(graph)
    while pending:
        node = pending.pop()
        if type(node) in ATOMS:
            read.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            pending += children_of(node)
    plain: list[Node] = []
    pending = [graph.root]
    while pending:
        node = pending.pop()
        if type(node) in ATOMS:
            plain.append(node)
        elif id(node) not in seen and (type(node) in _PLAIN or _is_plain_dict(node)):
            seen.add(id(node))
            pending += (node.entries or ()) if type(node) is CallNode else children_of(node)
    return read, plain


def _used(graph: Graph) -> list[Node]:
    """Return what calls and persistent ids are given; the items of an OrderedDict are kept only."""
    used: list[Node] = []
    for outside in graph.persistent:
        used += (outside.pid, *(outside.states or ()))
    for call in graph.calls:
        used += (call.args, call.kwargs, *(call.states or ()), *(call.appended or ()))
        if not _is_plain_dict(call):
            used += call.entries or ()
    return used


def _is_plain_dict(node: Node) -> bool:
    """Return whether a node is a call that makes an OrderedDict."""
    if type(node) is not CallNode or type(node.func) is not GlobalNode:
        return False
    return (node.func.module, node.func.name) == ("collections", "OrderedDict")

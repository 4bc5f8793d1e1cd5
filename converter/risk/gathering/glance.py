"""Whether what should be numbers or text could be more, at a glance.

Numbers begin like a pickle one time in five. Nearly all of those break off within three opcodes,
which is seen here thirty times sooner than by setting up the machine that executes them.
"""

from __future__ import annotations

from converter.inert.opcodes import COUNTED, LINES, OPCODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# Opcodes that need nothing on the stack: with any other, a stream ends before it has begun.
STARTERS: Final = frozenset(
    bytes([byte])
    for byte in b"(NIJKMLFGSTUVXBCP]})ci\x80\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f"
    b"\x95\x96\x97"
)
# The beginnings of archives, compressed files and legacy streams; detection then decides.
SIGNATURES: Final = (
    *(b"PK", b"\x80", b"L1", b"\x93NUMPY", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z"),
    b"\x28\xb5\x2f\xfd",
)
# The format of libraries on Linux, by its first bytes.
ELF: Final = b"\x7fELF"
# The mark of a tar archive stands behind the name of its first member.
USTAR: Final = b"ustar"
_FAR: Final = 257
HEAD_NBYTES: Final = _FAR + len(USTAR)
"""Bytes of a record that tell whether it is worth more than a glance."""

# PROTO is followed by the number of a protocol where detection goes by it.
_PROTO: Final = b"\x80"
_STARTS: Final = (
    *(start for start in SIGNATURES if start != _PROTO),
    *(_PROTO + bytes([protocol]) for protocol in range(2, 6)),
    ELF,
)
_NOTABLE_BYTES: Final = STARTERS.union(start[:1] for start in _STARTS)
# What stands behind the name of a first member of an archive: its mark, or the end of an empty zip.
_FAR_STARTS: Final = (USTAR, b"PK")
# Without a name nothing is called that can be told, unless the stream comes to its end.
_NAMES: Final = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})
_CALLS: Final = frozenset({"OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX"})
# What an opcode is to this walk, where it is not just some bytes to step over.
_IS_NAME, _IS_COUNTED, _IS_LINE, _IS_STOP, _IS_UNKNOWN = 0, -1, -2, -3, -4
_ENDS: Final = (_IS_STOP, _IS_UNKNOWN)
# No numbers are opcodes for so long.
_MOST_OPCODES: Final = 1_000


def _steps() -> list[int]:
    """Return by byte: how many bytes to step on, or one of the five above."""
    steps = [_IS_UNKNOWN] * 256
    for opcode in OPCODES:
        if opcode.name in _NAMES:
            steps[opcode.byte] = _IS_NAME
        elif opcode.argument in COUNTED:
            steps[opcode.byte] = _IS_COUNTED
        elif opcode.argument in LINES:
            steps[opcode.byte] = _IS_LINE
        else:
            steps[opcode.byte] = 1 + opcode.argument.fixed_nbytes
    steps[ord(".")] = _IS_STOP
    return steps


_STEPS: Final = _steps()
_CALL_BYTES: Final = frozenset(opcode.byte for opcode in OPCODES if opcode.name in _CALLS)
_LENGTH_NBYTES: Final = {
    opcode.byte: opcode.argument.fixed_nbytes for opcode in OPCODES if opcode.argument in COUNTED
}
_NUMERAL_BYTES: Final = frozenset(b"ILFgp")
_STRING, _QUOTES = 0x53, (b"", b"'", b'"')
_NUMERAL_STARTS: Final = frozenset(
    [b"", *(bytes([byte]) for byte in b"+-.0123456789INin \t\n\v\f\r\0_")]
)
_ASCII_BYTES: Final = frozenset(b"Pi")
_GLOBAL, _LONGEST_CHARACTER = 0x63, 4
# Values that STACK_GLOBAL takes from the stack, each of which some opcode has put there.
_STACK_GLOBAL, _TAKEN = 0x93, 2


def may_tell(data: bytes, nbytes: int) -> bool:
    """Return whether bytes, read as a pickle, could say anything.

    It follows opcodes as `converter.inert.machine` does, without what they do. That stops no later
    than this, so a "no" is certain: see `converter.risk.gathering.streams.says_something`.

    Args:
        data: the bytes, or the first of them.
        nbytes: how many there are in all. Those that are not at hand may say anything.
    """
    position, end = 0, len(data)
    calls = False
    for count in range(_MOST_OPCODES):
        if position >= end:
            return position < nbytes
        byte = data[position]
        step = _STEPS[byte]
        if step > 0:
            calls = calls or byte in _CALL_BYTES
            position += step
        elif step in _ENDS:
            return calls and step == _IS_STOP
        elif byte == _STACK_GLOBAL:
            return count >= _TAKEN
        elif step == _IS_COUNTED:
            stop = position + 1 + _LENGTH_NBYTES[byte]
            position = stop + int.from_bytes(data[position + 1 : stop], "little")
        else:
            newline = data.find(b"\n", position)
            if _is_malformed(byte, data[position + 1 : newline if newline >= 0 else end]):
                return False
            if newline < 0:
                return end < nbytes
            if step == _IS_NAME:
                return True
            position = newline + 1
    return True


def _is_malformed(byte: int, line: bytes) -> bool:
    """Return whether a line, or what there is of it, is no operand of an opcode, however it ends.

    See `converter.inert.literals` for numerals and quoted texts; names and persistent ids are text.
    """
    if byte in _NUMERAL_BYTES:
        return line[:1] not in _NUMERAL_STARTS
    if byte == _STRING:
        return line[:1] not in _QUOTES
    if byte in _ASCII_BYTES:
        return not line.isascii()
    if byte == _GLOBAL:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return error.start < len(line) - _LONGEST_CHARACTER
    return False


def is_plain_head(head: bytes, nbytes: int) -> bool:
    """Return whether bytes begin nothing that is a pickle, an archive or code.

    Args:
        head: the bytes, or the first `HEAD_NBYTES` of them.
        nbytes: how many there are in all.
    """
    if len(head) > _FAR and head.startswith(_FAR_STARTS, _FAR):
        return False
    if head[:1] not in _NOTABLE_BYTES:
        return True
    return not head.startswith(_STARTS) and not may_tell(head, nbytes)

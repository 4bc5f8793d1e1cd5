"""The opcode table against that of pickletools."""

from __future__ import annotations

import pickletools

from converter.inert.machine import HANDLERS
from converter.inert.opcodes import BY_BYTE, HIGHEST_PROTOCOL, OPCODES, Argument

WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
    pickletools.UP_TO_NEWLINE: 0,
}


def test_the_table_is_that_of_pickletools() -> None:
    ours = {opcode.name: (opcode.byte, opcode.protocol) for opcode in OPCODES}
    theirs = {opcode.name: (ord(opcode.code), opcode.proto) for opcode in pickletools.opcodes}
    assert ours == theirs
    assert len(OPCODES) == 68


def test_the_arguments_are_those_of_pickletools() -> None:
    for opcode in pickletools.opcodes:
        argument = BY_BYTE[ord(opcode.code)].argument
        if opcode.arg is None:
            assert argument is Argument.NONE
        else:
            assert argument.fixed_nbytes == WIDTHS.get(opcode.arg.n, opcode.arg.n)
            is_line = opcode.arg.n == pickletools.UP_TO_NEWLINE
            assert is_line == (argument in (Argument.LINE, Argument.LINE_PAIR))


def test_every_opcode_has_a_handler_of_its_own() -> None:
    handlers = {HANDLERS[opcode.byte] for opcode in OPCODES}
    others = {HANDLERS[byte] for byte in range(256) if byte not in BY_BYTE}
    assert len(handlers) == len(OPCODES)
    assert len(others) == 1
    assert not handlers & others


def test_the_highest_protocol() -> None:
    assert max(opcode.protocol for opcode in OPCODES) == HIGHEST_PROTOCOL

"""The count of opcodes agrees with pickletools, and sees odd memo entries."""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict

import pytest

from converter.byteio.source import MemorySource
from converter.risk.census import census_of
from converter.risk.facts import Census

VALUES = [
    {"a": [1, 2.5, None, True], "b": ("x" * 300, b"bytes" * 100)},
    OrderedDict(a=1 << 3000, b=-5, c={1, 2}),
    [{"k": index} for index in range(300)],
]


def census(data: bytes) -> Census:
    return census_of(MemorySource(data, "x"), 0, len(data))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES)
def test_against_pickletools(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    opcodes = list(pickletools.genops(data))
    found = census(data)
    assert found.opcodes == {ord(opcode.code) for opcode, _, _ in opcodes}
    puts = [opcode for opcode, _, _ in opcodes if "PUT" in opcode.name or opcode.name == "MEMOIZE"]
    assert found.puts == len(puts)
    assert (found.rewritten, found.far_put) == (None, None)


def test_odd_entries() -> None:
    assert census(b"]q\x00]q\x00.").rewritten == 4
    assert census(b"]r\xff\xff\xff\x7f.").far_put == 1
    assert census(b"]p99999999999999999999999\n.").far_put == 1


def test_it_ends_where_no_opcode_is() -> None:
    assert census(b"N\xff]").opcodes == {ord("N")}
    assert census(b"X\xff\xff\xff\xffab").opcodes == {ord("X")}
    assert census(b"cos\nsys").opcodes == {ord("c")}

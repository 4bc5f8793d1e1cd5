"""A glance never misses what the machine would see."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.limits import DEFAULT_LIMITS
from converter.risk.gathering.collector import Collector
from converter.risk.gathering.glance import may_tell
from converter.risk.gathering.streams import is_suspected, suspected_graph
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS
from converter.strategies.opcodes import opcode_streams

BYTES = st.binary(max_size=300) | opcode_streams()
# Bytes that are opcodes, so that more than one of them is executed.
OPCODE_BYTES = st.text(
    "(.012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu})\n\x80\x81\x82\x83\x84\x85\x86\x88\x8a\x8c\x93\x94",
    max_size=60,
).map(lambda text: text.encode("latin-1"))


def is_told(data: bytes) -> bool:
    """Return whether the machine finds something in some bytes."""

    def nothing(*_: object) -> None: ...

    found = Collector(DEFAULT_LIMITS, DEFAULT_SCAN_LIMITS, descend=nothing, take_blobs=nothing)
    return is_suspected(suspected_graph(found, MemorySource(data, "a"), 0))


@given(BYTES | OPCODE_BYTES)
@example(b"cos\nsystem\n(tR")
@example(b"\x82\x01.")
@example(b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93)R")
@example(b"(U\x02osU\x06system\x93")
@example(b"cos\nsystem")
def test_what_the_machine_sees_is_not_missed(data: bytes) -> None:
    assert may_tell(data, len(data)) or not is_told(data)


@given(data=BYTES | OPCODE_BYTES, cut=st.integers(0, 300))
def test_what_stands_behind_the_part_that_is_seen_is_not_missed(data: bytes, cut: int) -> None:
    assert may_tell(data[:cut], len(data)) or not is_told(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x8c\x02\x11?\x04\x00",  # a string, and no opcode behind it
        b"\x84\x86\x03@?" + bytes(40),  # an extension, and no end
        b"iW\x8e?\n\xff\n",  # no name is spelled like this
        b"\x93\\\xe9\xbe",  # nothing is on the stack
        b"P\xe9\ncos\nsystem\n",  # no persistent id
        b"I\xe9\ncos\nsystem\n",  # no number
        b"K\x01.",  # a number
        b"\x82\x97.",  # an extension, of which nothing is made
    ],
)
def test_numbers_say_nothing(data: bytes) -> None:
    assert not may_tell(data, len(data))


@pytest.mark.parametrize(
    "data", [b"cos\nsystem\n.", b"\x82\x01)R.", b"NN\x93", b")R.", b"N" * 2_000]
)
def test_what_may_be_a_pickle_is_worth_reading(data: bytes) -> None:
    assert may_tell(data, len(data))

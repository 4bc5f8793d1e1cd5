"""The walk over a graph: what stands as data, how deep, how much when written out."""

from __future__ import annotations

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph
from converter.inert.nodes import GlobalNode
from converter.risk.strings import is_blob
from converter.risk.survey import Survey, expanded_size, survey_of
from corpus.hostile_writer import (
    EMPTY_DICT,
    EMPTY_LIST,
    PROTO2,
    SETITEM,
    STOP,
    TUPLE1,
    blob,
    call,
    named,
    text,
)


def surveyed(opcodes: bytes) -> Survey:
    return survey_of(read_graph(MemorySource(PROTO2 + opcodes + STOP, "x")), is_blob)


def test_called_names_are_no_data() -> None:
    found = surveyed(call(named("a", "f"), named("b", "g")))
    names = [one.node for one in found.names]
    assert [name.module for name in names if isinstance(name, GlobalNode)] == ["b"]
    assert [one.place for one in found.names] == [0]


def test_a_root_that_is_a_name() -> None:
    assert len(surveyed(named("a", "f")).names) == 1


def test_blobs() -> None:
    found = surveyed(EMPTY_DICT + text("k") + blob(b"\x80\x02}q\0.") + SETITEM)
    assert [one.value for one in found.blobs] == [b"\x80\x02}q\0."]
    assert surveyed(blob(b"\x80\x02")).blobs == []


def test_depth() -> None:
    assert surveyed(EMPTY_LIST + TUPLE1 * 9).depth == 10


def test_cycles_end() -> None:
    graph = read_graph(MemorySource(PROTO2 + EMPTY_LIST + b"q\0h\0a" + STOP, "x"))
    assert survey_of(graph, is_blob).depth == 1
    assert expanded_size(graph, 100) < 5


def test_expanded_size() -> None:
    doubled = EMPTY_LIST + TUPLE1 + b"2\x86" * 20
    graph = read_graph(MemorySource(PROTO2 + doubled + STOP, "x"))
    assert expanded_size(graph, 10**9) == 3 * (1 << 20) - 1
    assert expanded_size(graph, 1000) == 1001


def test_strings_that_may_hold_a_pickle() -> None:
    """What is seen at a glance to be no blob is none: every beginning that is one is seen."""
    named = ["cos\nsystem\n", "]}((cos\nsystem\n", "(S'a'\nios\nsystem\n"]
    packed = ["\x80\x02", "x\x01", "x^", "x\x9c", "x\xda", "\x1f\x8b\x08", "PK\x03\x04"]
    coded = ["gAI", "gAX", "eJ", "eNo", "eAE", "eF4", "H4sI", "QlpoOT", "/Td6WFo", "UEsDB"]
    for value in (*named, *packed):
        assert is_blob(value)
        assert is_blob(value.encode("latin-1"))
    for value in coded:
        assert is_blob(value + "A" * 12)
        assert is_blob((value + "A" * 12).encode())
        assert not is_blob(value)
        assert not is_blob(value.encode())
    assert is_blob(b"BZh9")
    assert is_blob(b"\xfd7zXZ")
    for value in ("layer.weight", "conv1", "", "x\x02", "gAY" + "A" * 12, "c os\nsystem\n", "P\n"):
        assert not is_blob(value)
        assert not is_blob(value.encode("latin-1"))

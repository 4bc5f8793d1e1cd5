"""The machine as a whole: errors, limits, depth, collector, callback, random streams."""

from __future__ import annotations

import gc
import pickle
import pickletools
import sys
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import ByteSource, MemorySource
from converter.errors import LimitError, PickleError, SourceError
from converter.inert.machine import read_graph
from converter.inert.nodes import (
    ByteArrayNode,
    CallNode,
    DictNode,
    GlobalNode,
    Graph,
    ListNode,
    TupleNode,
)
from converter.inert.opcodes import BY_BYTE, OPCODES
from tests.unit.inert.streams import error_of, graph_of, root_of

VALUE = [
    OrderedDict(a=1, b=2.5),
    {"k": (1, 2, 3, 4), 7: frozenset({1})},
    b"raw",
    bytearray(b"mutable"),
    "é\ud800",
    2**80,
    True,
    complex(1, 2),
]


@pytest.mark.parametrize("byte", [byte for byte in range(256) if byte not in BY_BYTE])
def test_unknown_opcode(byte: int) -> None:
    graph = graph_of(b"K\x01" + bytes([byte]) + b".")
    assert graph.error is not None
    assert graph.error.found == f"0x{byte:02x}"
    assert (graph.error.offset, graph.stop, graph.opcode_count) == (2, 2, 1)
    assert graph.leftover == [1]


@pytest.mark.parametrize("protocol", range(6))
def test_truncation_at_every_byte(protocol: int) -> None:
    stream = pickle.dumps(VALUE, protocol)
    for length in range(len(stream)):
        graph = graph_of(stream[:length], max_pickle_window_bytes=16)
        assert isinstance(graph.error, PickleError), length
        assert graph.error.offset is not None
        assert 0 <= graph.error.offset <= length


def test_what_was_understood_before_the_error_is_kept() -> None:
    graph = graph_of(b"cos\nname\n(K\x01tRP7\n\x82\x01K\x05(K\x06\xff")
    assert graph.error is not None
    assert [node.name for node in graph.globals] == ["name"]
    assert len(graph.calls) == len(graph.persistent) == len(graph.extensions) == 1
    assert graph.leftover == [graph.calls[0], graph.persistent[0], graph.extensions[0], 5, 6]
    assert graph.root is None


def test_the_error_says_where() -> None:
    error = error_of(b"N\xff")
    assert str(error) == (
        "unknown opcode: sample, data.pkl, offset 1: "
        "expected an opcode of protocols 0 to 5, found 0xff"
    )
    assert error.__traceback__ is None
    assert error.__context__ is None


def test_opcode_limit() -> None:
    assert root_of(b"N0" * 4 + b"N.", max_opcodes=10) is None
    error = error_of(b"N0" * 4 + b"N0N.", max_opcodes=10)
    assert isinstance(error, LimitError)
    assert (error.limit, error.offset, error.found) == ("max_opcodes", 10, "11")


def test_opcodes_are_counted_once_however_often_the_window_moves() -> None:
    stream = pickle.dumps(VALUE, 4)
    count = sum(1 for _ in pickletools.genops(stream))
    graph = graph_of(stream, max_pickle_window_bytes=16, max_opcodes=count)
    assert (graph.error, graph.opcode_count) == (None, count)
    graph = graph_of(stream, max_pickle_window_bytes=16, max_opcodes=count - 1)
    assert isinstance(graph.error, LimitError)
    assert graph.opcode_count == count - 1


def test_no_opcode_at_all() -> None:
    assert isinstance(error_of(b"N.", max_opcodes=0), LimitError)


def test_start_behind_the_end() -> None:
    graph = read_graph(MemorySource(b"N.", "sample"), start=5)
    assert graph.error is not None
    assert graph.stop == 5


def test_a_list_in_itself() -> None:
    root = root_of(b"]q\0h\0a.")
    assert isinstance(root, ListNode)
    assert root.items == [root]


def test_a_dict_in_its_own_value() -> None:
    root = root_of(b"}q\0K\1h\0\x85s.")
    assert isinstance(root, DictNode)
    inner = root.items[1]
    assert isinstance(inner, TupleNode)
    assert inner.items == [root]


def test_a_call_in_its_own_state() -> None:
    root = root_of(b"cmodule\nname\n)\x81q\0}K\1h\0sb.")
    assert isinstance(root, CallNode)
    assert root.states is not None
    state = root.states[0]
    assert isinstance(state, DictNode)
    assert state.items == [1, root]


DEPTH = 200_000
DEEP = {
    "list": b"]" * DEPTH + b"a" * (DEPTH - 1) + b".",
    "marked list": b"(" * DEPTH + b"l" * DEPTH + b".",
    "tuple": b")" + b"\x85" * DEPTH + b".",
    "dict": b"}N" * DEPTH + b"N" + b"s" * DEPTH + b".",
    "frozenset": b"(" * DEPTH + b"\x91" * DEPTH + b".",
    "reduce": b"N" + b")R" * DEPTH + b".",
    "reduce args": b"N" * DEPTH + b"N" + b"R" * DEPTH + b".",
    "build": b"N)R" * DEPTH + b"b" * (DEPTH - 1) + b".",
    "persistent": b"N" + b"Q" * DEPTH + b".",
    "marks": b"(" * DEPTH,
}


@pytest.mark.parametrize("stream", DEEP.values(), ids=DEEP)
def test_deep_nesting_is_made_and_freed(stream: bytes) -> None:
    graph: Graph | None = graph_of(stream)
    assert graph is not None
    assert graph.opcode_count == len(stream)
    limit = sys.getrecursionlimit()
    graph = None
    gc.collect()
    assert sys.getrecursionlimit() == limit


def test_exponential_sharing_stays_small() -> None:
    """RISKS: ten references to ten references to …, a billion lists when followed."""
    stream = (
        b"]"
        + b"".join(
            b"q" + bytes([n]) + b"](" + b"h" + bytes([n]) + b"2" * 9 + b"e" for n in range(9)
        )
        + b"."
    )
    graph = graph_of(stream)
    assert graph.error is None
    assert graph.opcode_count < 150


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    root_of(b"N.")
    assert gc.isenabled()
    gc.disable()
    try:
        root_of(b"N.")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_frozen_objects_stay_frozen() -> None:
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        root_of(b"](K\1K\2e.")
        assert gc.get_freeze_count() >= frozen - 100
        assert gc.isenabled()
    finally:
        gc.unfreeze()


class FailingSource(ByteSource):
    """A source that cannot be read."""

    def __init__(self) -> None:
        self.name = "failing"
        self.nbytes = 100

    def _read(self, offset: int, nbytes: int) -> bytes:
        raise SourceError("disk on fire")


def test_input_errors_are_raised_and_leave_the_collector_on() -> None:
    with pytest.raises(SourceError):
        read_graph(FailingSource())
    assert gc.isenabled()


RAW = b"(cmodule\nname\n)\x81K\x07b" + b"\xff\xff\xff\xff" + b"K\x08t."


@pytest.mark.parametrize("padding", [0, 3, 9, 14, 40])
def test_after_build_steps_over_raw_bytes(padding: int) -> None:
    calls = []

    def after_build(call: CallNode, offset: int) -> int:
        calls.append((call, offset))
        return offset + 4

    stream = b"N0" * padding + RAW
    graph = read_graph(MemorySource(stream, "sample"), after_build=after_build)
    assert graph.error is None
    assert isinstance(graph.root, TupleNode)
    assert graph.root.items == [graph.calls[0], 8]
    assert calls == [(graph.calls[0], stream.index(b"\xff"))]
    assert graph.calls[0].states == [7]
    assert graph.stop == len(stream)


def test_after_build_may_leave_the_stream_as_it_is() -> None:
    stream = b"cmodule\nname\n)\x81K\x07b."
    source = MemorySource(stream, "sample")
    graph = read_graph(source, after_build=lambda _call, offset: offset)
    assert graph.error is None
    assert graph.stop == len(stream)


def test_after_build_is_called_for_calls_only() -> None:
    def after_build(_call: CallNode, _offset: int) -> int:
        raise AssertionError

    graph = read_graph(MemorySource(b"NQNb]Nb.", "sample"), after_build=after_build)
    assert graph.error is None
    assert len(graph.effects) == 1


@pytest.mark.parametrize("following", [-1, 0, 5, 1000])
def test_after_build_must_go_ahead(following: int) -> None:
    source = MemorySource(RAW, "sample")
    graph = read_graph(source, after_build=lambda _call, _offset: following)
    assert isinstance(graph.error, PickleError)
    assert graph.error.found == str(following)


def test_after_build_may_refuse() -> None:
    def after_build(_call: CallNode, offset: int) -> int:
        raise PickleError("no such array", offset=offset)

    graph = read_graph(MemorySource(RAW, "sample"), after_build=after_build)
    assert graph.error is not None
    assert graph.error.what == "no such array"


@pytest.mark.parametrize("fault", [IndexError, KeyError, ValueError])
def test_a_fault_in_after_build_is_no_fault_of_the_stream(fault: type[Exception]) -> None:
    def after_build(_call: CallNode, _offset: int) -> int:
        raise fault

    with pytest.raises(RuntimeError, match="after_build failed"):
        read_graph(MemorySource(RAW, "sample"), after_build=after_build)


TEXTS = [b"'text'", b"1", b"0", b"-1", b"1.5", b"os", b"", b"\xff", b"99999999999999999999"]


@st.composite
def operands(draw: st.DrawFn) -> bytes:
    """One known opcode with an operand that is often, but not always, well formed."""
    opcode = draw(st.sampled_from(OPCODES))
    body = bytes([opcode.byte])
    width = opcode.argument.fixed_nbytes
    if "line" in opcode.argument.value[0]:
        body += draw(st.sampled_from(TEXTS)) + b"\n"
        if "pair" in opcode.argument.value[0]:
            body += draw(st.sampled_from(TEXTS)) + b"\n"
    elif "counted" in opcode.argument.value[0]:
        text = draw(st.binary(max_size=5))
        body += len(text).to_bytes(width, "little") + text
    elif width:
        body += draw(st.integers(0, 5)).to_bytes(width, "little")
    return body


soup = st.lists(operands() | st.binary(max_size=3), max_size=60).map(b"".join)


@given(soup, st.integers(0, 100))
def test_soup_never_raises(stream: bytes, window: int) -> None:
    graph = graph_of(stream, max_pickle_window_bytes=window)
    assert 0 <= graph.stop <= len(stream)
    assert graph.opcode_count <= len(stream)
    if graph.error is None:
        assert stream[graph.stop - 1] == ord(".")
    else:
        assert graph.error.offset is not None
        assert graph.error.offset <= len(stream)
    whole = graph_of(stream)
    assert (whole.stop, whole.opcode_count) == (graph.stop, graph.opcode_count)
    assert str(whole.error) == str(graph.error)
    assert whole.anomalies == graph.anomalies


@given(soup)
def test_soup_is_read_like_its_own_prefix(stream: bytes) -> None:
    """What stands behind STOP changes nothing but what overruns are noted."""
    graph = graph_of(stream + b"N.")
    if graph.error is None:
        again = graph_of(stream[: graph.stop] if graph.stop <= len(stream) else stream + b"N.")
        assert again.error is None
        assert again.opcode_count == graph.opcode_count


def test_names_and_arrays_keep_their_offsets() -> None:
    root = root_of(b"\x80\x05(cos\nname\n\x96\1\0\0\0\0\0\0\0at.")
    assert isinstance(root, TupleNode)
    first, second = root.items
    assert isinstance(first, GlobalNode)
    assert isinstance(second, ByteArrayNode)
    assert (first.offset, second.offset, root.offset) == (3, 12, 22)

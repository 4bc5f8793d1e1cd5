"""The window over the source: refills, lines, frames."""

from __future__ import annotations

import pickle

import pytest

from converter.byteio.source import ByteSource, MemorySource
from converter.errors import LimitError
from converter.inert.machine import read_graph
from converter.inert.nodes import ListNode, Node, TupleNode
from converter.inert.walk import walk
from converter.inert.window import MAX_ANOMALIES
from converter.limits import DEFAULT_LIMITS
from tests.unit.inert.streams import anomalies_of, error_of, graph_of, root_of


class CountingSource(ByteSource):
    """A source of endless zeros after some bytes; it counts what is read of it."""

    def __init__(self, stream: bytes, nbytes: int) -> None:
        self.name = "counting"
        self.nbytes = nbytes
        self.stream = stream
        self.read_nbytes = 0

    def _read(self, offset: int, nbytes: int) -> bytes:
        self.read_nbytes += nbytes
        return self.stream[offset : offset + nbytes].ljust(nbytes, b"\0")


def shape(root: Node) -> list[str]:
    return [
        repr(getattr(visit.node, "offset", visit.node)) + str(type(visit.node))
        for visit in walk(root)
    ]


VALUES = [
    {"weights": [1.5, -2, 300, 2**40, 2**70], "name": "x" * 50, "raw": b"y" * 40},
    ["é" * 30, {"k": ("a", "b")}, {1, 2}, bytearray(b"z" * 33), None, True],
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("window", [16, 17, 23, 64])
def test_a_small_window_changes_nothing(protocol: int, window: int) -> None:
    stream = pickle.dumps(VALUES, protocol)
    small = graph_of(stream, max_pickle_window_bytes=window)
    assert small.error is None
    assert small.anomalies == []
    assert small.opcode_count == graph_of(stream).opcode_count
    assert shape(small.root) == shape(root_of(stream))


def test_a_window_of_nothing_is_still_one() -> None:
    root_of(pickle.dumps(VALUES, 2), max_pickle_window_bytes=0)


def test_every_operand_at_every_place_of_the_window() -> None:
    operands = (
        b"(J\1\2\3\4M\1\2G\1\2\3\4\5\6\7\x08\x8a\2\1\2X\3\0\0\0abc\x8c\1aC\1aL12L\np5\ng5\nt."
    )
    plain = root_of(operands)
    assert isinstance(plain, TupleNode)
    for padding in range(40):
        root = root_of(b"N0" * padding + operands, max_pickle_window_bytes=16)
        assert isinstance(root, TupleNode)
        assert root.items == plain.items
        assert root.offset == plain.offset + 2 * padding


def test_offsets_are_those_in_the_source() -> None:
    stream = b"N" * 100 + b"]."
    graph = read_graph(MemorySource(b"\xff" * 1000 + stream, "sample"), start=1000)
    assert graph.start == 1000
    assert isinstance(graph.root, ListNode)
    assert graph.root.offset == 1100
    assert graph.stop == 1102


def test_little_is_read_of_a_huge_source() -> None:
    source = CountingSource(b"\x80\x02]q\0K\1a.", 1 << 40)
    assert read_graph(source).error is None
    assert source.read_nbytes <= 1 << 14


def test_the_window_grows_to_its_limit() -> None:
    source = CountingSource(b"N0" * 100_000 + b"N.", 1 << 40)
    graph = read_graph(source, limits=DEFAULT_LIMITS._replace(max_pickle_window_bytes=1 << 16))
    assert graph.error is None
    assert 200_002 <= source.read_nbytes <= 200_002 + (1 << 17)


def test_a_long_operand_is_read_once() -> None:
    nbytes = 1 << 20
    source = CountingSource(b"B" + nbytes.to_bytes(4, "little") + bytes(nbytes) + b".", nbytes + 6)
    limits = DEFAULT_LIMITS._replace(max_pickle_window_bytes=1 << 12)
    assert read_graph(source, limits=limits).root == bytes(nbytes)
    assert source.read_nbytes < nbytes + (1 << 14)


def test_long_lines() -> None:
    line = b"x" * 100_000
    assert root_of(b"V" + line + b"\n.", max_pickle_window_bytes=64) == line.decode()


@pytest.mark.parametrize("window", [16, 1 << 20])
def test_line_limit(window: int) -> None:
    limits = {"max_line_bytes": 50, "max_pickle_window_bytes": window}
    assert root_of(b"V" + b"x" * 50 + b"\n.", **limits) == "x" * 50
    for stream in (b"V" + b"x" * 51 + b"\n.", b"V" + b"x" * 1000):
        error = error_of(stream, **limits)
        assert isinstance(error, LimitError)
        assert (error.limit, error.offset) == ("max_line_bytes", 0)


@pytest.mark.parametrize("stream", [b"(ios\nsystemX", b"cos\nsystemX"])
def test_a_line_cut_off_by_the_end_is_still_executed(stream: bytes) -> None:
    """CPython takes the last byte for the newline, and calls before it misses STOP."""
    graph = graph_of(stream)
    assert [(node.module, node.name) for node in graph.globals] == [("os", "system")]
    assert [anomaly.code for anomaly in graph.anomalies] == ["line_not_terminated"]
    assert graph.error is not None
    assert graph.error.what == "the stream is truncated"
    assert graph.error.offset == len(stream)


@pytest.mark.parametrize("stream", [b"c", b"cos\n", b"V", b"(i", b"P"])
def test_a_line_that_is_missing(stream: bytes) -> None:
    graph = graph_of(stream)
    assert graph.error is not None
    assert graph.error.what == "the stream is truncated"
    assert not graph.globals
    assert not graph.persistent


def framed(nbytes: int, body: bytes) -> bytes:
    return b"\x80\x04\x95" + nbytes.to_bytes(8, "little") + body


def test_frames_that_fit() -> None:
    assert root_of(framed(3, b"K\1.")) == 1
    body = b"K\1\x95" + (3).to_bytes(8, "little") + b"0N."
    assert anomalies_of(framed(2, body)) == []


def test_large_frames() -> None:
    """The pickler begins a frame every 64 KiB, and leaves large operands outside."""
    value = [[str(number) for number in range(30_000)], b"x" * 200_000, list(range(50_000))]
    stream = pickle.dumps(value, 4)
    assert stream.count(b"\x95") > 3
    root_of(stream)
    root_of(stream, max_pickle_window_bytes=16)


@pytest.mark.parametrize(
    ("stream", "codes"),
    [
        (framed(0, b"K\1."), ["frame_empty"]),
        (framed(1, b"K\1."), ["frame_crossed"]),
        (framed(2, b"K\1."), []),
        (framed(4, b"K\1.x"), ["frame_not_ended_at_stop"]),
        (framed(4, b"K\1."), ["frame_overruns_stream"]),
        (framed((1 << 63) - 1, b"K\1."), ["frame_overruns_stream"]),
        (framed(4, b"X\4\0\0\0abcd."), ["frame_crossed"]),
        (framed(7, b"X\4\0\0\0abcd."), ["frame_crossed"]),
        (framed(3, b"Vabc\n."), ["frame_crossed"]),
        (framed(20, b"\x95\3\0\0\0\0\0\0\0K\1." + bytes(20)), ["frame_inside_frame"]),
    ],
)
@pytest.mark.parametrize("window", [16, 1 << 20])
def test_frames_that_do_not_fit(stream: bytes, codes: list[str], window: int) -> None:
    """python/cpython#154848: what crosses a frame is read in two ways."""
    graph = graph_of(stream, max_pickle_window_bytes=window)
    assert graph.error is None
    assert [anomaly.code for anomaly in graph.anomalies] == codes
    assert all(anomaly.record == "data.pkl" for anomaly in graph.anomalies)


def test_a_frame_of_2_to_the_63() -> None:
    assert error_of(framed(1 << 63, b"K\1.")).what == "a frame length is impossible"


def test_anomalies_are_not_without_end() -> None:
    graph = graph_of(b"\x80\x02" * (2 * MAX_ANOMALIES) + b"N.")
    assert graph.error is None
    assert len(graph.anomalies) == MAX_ANOMALIES


def test_truncation_names_what_is_missing() -> None:
    error = error_of(b"NJ\1\2")
    assert (error.what, error.offset) == ("the stream is truncated", 1)
    assert (error.expected, error.found) == ("5 more bytes", "3 bytes")
    error = error_of(b"X\5\0\0\0ab")
    assert (error.offset, error.expected, error.found) == (5, "5 more bytes", "2 bytes")
    assert error_of(b"").expected == "1 more bytes"


@pytest.mark.parametrize(
    "odd",
    [
        b"K\1\x98.",
        b"K\1K\2K\3s.",
        b"K\1(K\2K\3u.",
        b"K\1K\2a.",
        b"K\1(K\2e.",
        b"K\1(K\2\x90.",
        b"K\1Nb.",
        b"K\1K\2\x93.",
        b"T\xff\xff\xff\xff.",
        b"T\xff\xff\xff\x7f.",
        b"X\xff\xff\xff\xff.",
        b"\x8c\2\xff\xff.",
        b"S'a\n.",
        b"I1x\n.",
        b"h\x09.",
        b"\x95\xff\0\0\0\0\0\0\0N.",
        b"\x95\1\0\0\0\0\0\0\0K\1.",
        b"\x80\x09N.",
        b"N0\x80\2N.",
        b"q\0.",
        b"0.",
        b"s.",
        b"\xff.",
    ],
)
def test_what_is_odd_is_told_where_it_stands_in_any_window(odd: bytes) -> None:
    plain = graph_of(b"N0" + odd)
    assert plain.anomalies or plain.error
    for padding in (5, 8, 9, 30):
        shift = 2 * padding
        moved = graph_of(b"N0" * padding + b"N0" + odd, max_pickle_window_bytes=16)
        assert [(one.code, one.offset) for one in moved.anomalies] == [
            (one.code, None if one.offset is None else one.offset + shift)
            for one in plain.anomalies
        ]
        assert moved.stop == plain.stop + shift
        if plain.error is None:
            assert moved.error is None
        else:
            assert moved.error is not None
            assert plain.error.offset is not None
            assert moved.error.offset == plain.error.offset + shift


def test_frame_that_is_too_long_tells_both_lengths() -> None:
    graph = graph_of(b"N0" * 5 + b"\x95\xff\0\0\0\0\0\0\0N.", max_pickle_window_bytes=16)
    (anomaly,) = graph.anomalies
    assert anomaly.detail.startswith("a frame of 255 bytes, 2 follow")

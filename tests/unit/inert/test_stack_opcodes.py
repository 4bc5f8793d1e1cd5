"""Opcodes about the stream, the stack and the memo."""

from __future__ import annotations

import tracemalloc

import pytest

from converter.inert.nodes import ListNode, TupleNode
from tests.unit.inert.streams import anomalies_of, error_of, graph_of, root_of


def test_proto() -> None:
    graph = graph_of(b"\x80\x02N.")
    assert graph.protocol == 2
    assert graph.anomalies == []
    assert graph_of(b"N.").protocol is None


def test_proto_above_5() -> None:
    error = error_of(b"\x80\x06N.")
    assert (error.what, error.found) == ("unsupported pickle protocol", "6")


def test_proto_twice_or_late() -> None:
    graph = graph_of(b"\x80\x02\x80\x04N.")
    assert graph.protocol == 2
    assert anomalies_of(b"\x80\x02\x80\x04N.") == ["proto_repeated"]
    assert anomalies_of(b"N\x80\x020N.") == ["proto_misplaced"]


def test_stop() -> None:
    graph = graph_of(b"K\x01.garbage")
    assert (graph.root, graph.stop, graph.opcode_count) == (1, 3, 2)


def test_stop_on_nothing() -> None:
    assert error_of(b".").what == "stack underflow"
    assert error_of(b"N(.").what == "stack underflow"


def test_values_left_at_stop() -> None:
    graph = graph_of(b"K\x01K\x02K\x03.")
    assert graph.root == 3
    assert graph.leftover == [1, 2]
    assert anomalies_of(b"K\x01K\x02K\x03.") == ["stack_not_empty_at_stop"]


def test_mark_left_at_stop() -> None:
    """Loaders take it (python/cpython#127079)."""
    assert anomalies_of(b"(N.") == ["mark_left_at_stop"]
    graph = graph_of(b"K\x01(K\x02.")
    assert graph.root == 2
    assert graph.leftover == [1]
    assert [anomaly.code for anomaly in graph.anomalies] == [
        "mark_left_at_stop",
        "stack_not_empty_at_stop",
    ]


def test_pop() -> None:
    assert root_of(b"K\x01K\x020.") == 1


def test_pop_takes_the_mark_when_nothing_is_above_it() -> None:
    assert root_of(b"K\x01(0.") == 1
    assert error_of(b"0").what == "stack underflow"
    assert error_of(b"(00").offset == 2


def test_pop_mark() -> None:
    assert root_of(b"K\x01(K\x02K\x031.") == 1
    assert error_of(b"K\x011").what == "stack underflow"


def test_dup_keeps_identity() -> None:
    root = root_of(b"(]2t.")
    assert isinstance(root, TupleNode)
    assert root.items[0] is root.items[1]
    assert error_of(b"K\x01(2").offset == 3


@pytest.mark.parametrize(
    ("put", "get"),
    [
        (b"p0\n", b"g0\n"),
        (b"q\0", b"h\0"),
        (b"r\0\0\0\0", b"j\0\0\0\0"),
        (b"\x94", b"h\0"),
        (b"p70000\n", b"j\x70\x11\1\0"),
        (b"q\xff", b"g255\n"),
        (b"r\xff\xff\xff\xff", b"j\xff\xff\xff\xff"),
        (b"p9223372036854775807\n", b"g9223372036854775807\n"),
    ],
)
def test_memo_keeps_identity(put: bytes, get: bytes) -> None:
    root = root_of(b"(]" + put + get + b"t.")
    assert isinstance(root, TupleNode)
    assert isinstance(root.items[0], ListNode)
    assert root.items[0] is root.items[1]


def test_memoize_counts_entries() -> None:
    """Row by row: put at 0, at 10 and at 0 again are two entries, so MEMOIZE takes 2."""
    stream = b"(K\x01q\0K\x02q\nK\x03q\0K\x04\x94h\0h\nh\2t."
    root = root_of(stream)
    assert isinstance(root, TupleNode)
    assert root.items == [1, 2, 3, 4, 3, 2, 4]


def test_memo_may_be_filled_backwards() -> None:
    stream = b"(K\x02q\2K\x01q\1K\x00q\0h\0h\1h\2K\x09\x94h\3K\x08q\2h\2K\x07q\1h\1t."
    root = root_of(stream)
    assert isinstance(root, TupleNode)
    assert root.items == [2, 1, 0, 0, 1, 2, 9, 9, 8, 8, 7, 7]


def test_memo_holds_the_value_and_not_the_opcode_before() -> None:
    """RISKS: a PUT after DUP, POP or POP_MARK is about what is on top now."""
    root = root_of(b"(X\1\0\0\0a20q\0K\x010(K\x021q\1h\0h\1t.")
    assert isinstance(root, TupleNode)
    assert root.items == ["a", "a", "a"]


@pytest.mark.parametrize("get", [b"h\5", b"j\5\0\0\0", b"g5\n"])
def test_missing_memo_entry(get: bytes) -> None:
    error = error_of(b"Nq\x04" + get + b".")
    assert error.what == "the memo has no such entry"
    assert (error.offset, error.found) == (3, "5")


@pytest.mark.parametrize("put", [b"p0\n", b"q\0", b"r\0\0\0\0", b"\x94"])
def test_put_of_nothing(put: bytes) -> None:
    assert error_of(put).what == "stack underflow"
    assert error_of(b"N(" + put).offset == 2


@pytest.mark.parametrize("line", [b"-1", b"9223372036854775808", b"99999999999999999999"])
def test_impossible_index(line: bytes) -> None:
    """An error in C, and no error in Python (python/cpython#144410)."""
    assert error_of(b"Np" + line + b"\n.").what == "a memo index is impossible"
    assert error_of(b"Ng" + line + b"\n.").what == "a memo index is impossible"


@pytest.mark.parametrize("line", [b"", b"x", b"1.0", b"0x1"])
def test_malformed_index(line: bytes) -> None:
    assert error_of(b"Np" + line + b"\n.").offset == 1


def test_index_with_a_nul() -> None:
    """C stops at the NUL; Python's unpickler refuses."""
    assert anomalies_of(b"(K\x01p0\0junk\ng0\nt.") == ["numeral_unusual"]


def test_a_huge_index_allocates_nothing() -> None:
    """CVE-2018-20406: an array that grows to the index."""
    tracemalloc.start()
    try:
        root_of(b"Nr\xff\xff\xff\xff.")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20

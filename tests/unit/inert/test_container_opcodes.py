"""Opcodes that make and fill containers."""

from __future__ import annotations

import pytest

from converter.inert.nodes import CallNode, DictNode, ListNode, SetNode, TupleNode
from tests.unit.inert.streams import anomalies_of, error_of, graph_of, root_of

CALL = b"cmodule\nname\n)R"


@pytest.mark.parametrize(
    ("stream", "items", "offset"),
    [
        (b").", [], 0),
        (b"K\x01\x85.", [1], 2),
        (b"K\x01K\x02\x86.", [1, 2], 4),
        (b"K\x01K\x02K\x03\x87.", [1, 2, 3], 6),
        (b"(K\x01K\x02K\x03K\x04t.", [1, 2, 3, 4], 9),
        (b"(t.", [], 1),
    ],
)
def test_tuple(stream: bytes, items: list[int], offset: int) -> None:
    root = root_of(stream)
    assert isinstance(root, TupleNode)
    assert (root.items, root.offset) == (items, offset)


@pytest.mark.parametrize(
    ("stream", "items", "offset"),
    [
        (b"].", [], 0),
        (b"(l.", [], 1),
        (b"(K\x01K\x02l.", [1, 2], 5),
        (b"]K\x01aK\x02a.", [1, 2], 0),
        (b"](K\x01K\x02e(K\x03e(e.", [1, 2, 3], 0),
    ],
)
def test_list(stream: bytes, items: list[int], offset: int) -> None:
    root = root_of(stream)
    assert isinstance(root, ListNode)
    assert (root.items, root.offset) == (items, offset)


@pytest.mark.parametrize(
    ("stream", "items", "offset"),
    [
        (b"}.", [], 0),
        (b"(d.", [], 1),
        (b"(K\x01K\x02d.", [1, 2], 5),
        (b"}K\x01K\x02sK\x01K\x03s.", [1, 2, 1, 3], 0),
        (b"}(K\x01K\x02K\x03K\x04u(u.", [1, 2, 3, 4], 0),
    ],
)
def test_dict(stream: bytes, items: list[int], offset: int) -> None:
    root = root_of(stream)
    assert isinstance(root, DictNode)
    assert (root.items, root.offset) == (items, offset)


@pytest.mark.parametrize(
    ("stream", "items", "frozen"),
    [
        (b"\x8f.", [], False),
        (b"\x8f(K\x01K\x01\x90(\x90.", [1, 1], False),
        (b"(K\x01K\x02\x91.", [1, 2], True),
        (b"(\x91.", [], True),
    ],
)
def test_set(stream: bytes, items: list[int], *, frozen: bool) -> None:
    root = root_of(stream)
    assert isinstance(root, SetNode)
    assert (root.items, root.frozen) == (items, frozen)


@pytest.mark.parametrize(
    "stream",
    [b"\x85", b"K\1\x86", b"K\1K\1\x87", b"N(\x85", b"t", b"l", b"d", b"\x91", b"K\1t", b"K\1d"],
)
def test_underflow_when_making(stream: bytes) -> None:
    error = error_of(stream)
    assert error.what == "stack underflow"
    assert error.offset == len(stream) - 1


@pytest.mark.parametrize(
    ("stream", "leftover"),
    [
        (b"a", []),
        (b"K\1a", [1]),
        (b"K\1(K\2a", [1, 2]),
        (b"s", []),
        (b"K\1K\2s", [1, 2]),
        (b"K\1(K\2K\3s", [1, 2, 3]),
        (b"e", []),
        (b"K\1e", [1]),
        (b"(K\1e", [1]),
        (b"K\1((K\2e", [1, 2]),
        (b"(K\1K\2u", [1, 2]),
        (b"(K\1\x90", [1]),
        (b"K\1u", [1]),
        (b"K\1\x90", [1]),
        (b"K\1\x86", [1]),
        (b"K\1K\2\x87", [1, 2]),
    ],
)
def test_underflow_leaves_the_stack_as_it_was(stream: bytes, leftover: list[int]) -> None:
    graph = graph_of(stream)
    assert graph.error is not None
    assert graph.error.what == "stack underflow"
    assert graph.leftover == leftover


@pytest.mark.parametrize("stream", [b"(K\1d", b"}(K\1u", b"N(K\1K\2K\3u"])
def test_odd_items(stream: bytes) -> None:
    assert error_of(stream).what == "a key has no value"


def test_filling_what_a_call_made() -> None:
    stream = CALL + b"K\1K\2s(K\3K\4u(uK\5a(K\6K\7e(e(K\x08\x90(\x90."
    root = root_of(stream)
    assert isinstance(root, CallNode)
    assert root.entries == [1, 2, 3, 4]
    assert root.appended == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("stream", "opcode", "code", "items"),
    [
        (b"K\1K\2a.", "APPEND", "append_on_non_list", [2]),
        (b"}K\2a.", "APPEND", "append_on_non_list", [2]),
        (b"cos\nname\nK\2a.", "APPEND", "append_on_non_list", [2]),
        (b")(K\2K\3e.", "APPENDS", "append_on_non_list", [2, 3]),
        (b"]K\0K\2s.", "SETITEM", "setitem_on_non_dict", [0, 2]),
        (b"NQK\0K\2s.", "SETITEM", "setitem_on_non_dict", [0, 2]),
        (b"](K\0K\2u.", "SETITEMS", "setitem_on_non_dict", [0, 2]),
        (b"](K\2\x90.", "ADDITEMS", "additems_on_non_set", [2]),
        (b"(\x91(K\2\x90.", "ADDITEMS", "additems_on_non_set", [2]),
    ],
)
def test_filling_something_else(stream: bytes, opcode: str, code: str, items: list[int]) -> None:
    graph = graph_of(stream)
    assert [anomaly.code for anomaly in graph.anomalies] == [code]
    (effect,) = graph.effects
    assert (effect.opcode, effect.target) == (opcode, graph.root)
    assert effect.offset == graph.anomalies[0].offset
    assert isinstance(effect.operand, ListNode)
    assert effect.operand.items == items


@pytest.mark.parametrize("opcode", [b"e", b"u", b"\x90"])
def test_filling_something_else_with_nothing(opcode: bytes) -> None:
    """CPython does not look at the target then."""
    assert anomalies_of(b"K\1(" + opcode + b".") == []


def test_items_are_not_shared_with_the_stack() -> None:
    root = root_of(b"](K\1K\2e2(K\3e0.")
    assert isinstance(root, ListNode)
    assert root.items == [1, 2, 3]

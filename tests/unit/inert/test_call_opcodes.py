"""Opcodes that name, call and change things."""

from __future__ import annotations

import pytest

from converter.inert.nodes import (
    BufferNode,
    ByteString,
    CallNode,
    DictNode,
    ExtensionNode,
    GlobalNode,
    Node,
    PersistentNode,
    TupleNode,
)
from tests.unit.inert.streams import anomalies_of, error_of, graph_of, root_of


def named(node: Node) -> tuple[str, str]:
    assert isinstance(node, GlobalNode)
    return node.module, node.name


def args_of(node: Node) -> list[Node]:
    assert isinstance(node, CallNode)
    assert isinstance(node.args, TupleNode)
    return node.args.items


def test_global() -> None:
    graph = graph_of(b"Ncos.path\njoin\x01\xc3\xa9\n.")
    assert named(graph.root) == ("os.path", "join\x01\xe9")
    assert graph.globals == [graph.root]
    assert graph.globals[0].offset == 1


@pytest.mark.parametrize("lines", [b"\nname\n", b"module\n\n", b"\xff\nname\n", b"module\n\xff\n"])
def test_global_malformed(lines: bytes) -> None:
    assert error_of(b"c" + lines + b".").offset == 0
    assert error_of(b"(i" + lines + b".").offset == 1


@pytest.mark.parametrize(
    "operands",
    [
        b"X\x02\0\0\0os\x8c\x06system",
        b"V\\u006fs\n\x8d\x06\0\0\0\0\0\0\0system",
        b"\x8c\x02os\x94K\x010\x8c\x06system",
        b"\x8c\x02os(K\x011\x8c\x06system20",
        b"\x8c\x06systemq\0\x8c\x02osq\x0100h\x01h\x00",
    ],
)
def test_stack_global(operands: bytes) -> None:
    """RISKS: noise between the operands, and every way to write them."""
    graph = graph_of(operands + b"\x93.")
    assert named(graph.root) == ("os", "system")
    assert graph.globals[0].offset == len(operands)
    assert graph.leftover == []


@pytest.mark.parametrize(
    ("operands", "found"),
    [
        (b"C\x02os\x8c\x06system", "bytes and str"),
        (b"\x8c\x02osU\x06system", "str and byte_string"),
        (b"K\x01K\x02", "int and int"),
    ],
)
def test_stack_global_needs_text(operands: bytes, found: str) -> None:
    graph = graph_of(operands + b"\x93.")
    assert graph.error is not None
    assert graph.error.found == found
    assert graph.globals == []
    assert graph.anomalies == []
    assert len(graph.leftover) == 2


def test_stack_global_with_a_computed_name() -> None:
    graph = graph_of(b"\x8c\x02oscmodule\njoin\n)R\x93.")
    assert graph.error is not None
    assert graph.error.found == "str and call"
    assert [anomaly.code for anomaly in graph.anomalies] == ["global_name_computed"]
    assert graph.leftover == ["os", graph.calls[0]]


def test_reduce() -> None:
    graph = graph_of(b"cos\nname\n(K\x01tR.")
    (call,) = graph.calls
    assert graph.root is call
    assert (call.opcode, call.offset, call.kwargs) == ("REDUCE", 13, None)
    assert named(call.func) == ("os", "name")
    assert args_of(call) == [1]
    assert (call.states, call.entries, call.appended) == (None, None, None)


def test_calls_whose_result_is_dropped_are_kept() -> None:
    graph = graph_of(b"cos\nname\n)R0N.")
    assert graph.root is None
    assert len(graph.calls) == 1


def test_any_value_may_be_called() -> None:
    root = root_of(b"K\x01K\x02R.")
    assert isinstance(root, CallNode)
    assert (root.func, root.args) == (1, 2)


def test_newobj() -> None:
    root = root_of(b"cos\nname\nK\x01\x85\x81.")
    assert isinstance(root, CallNode)
    assert root.opcode == "NEWOBJ"
    assert args_of(root) == [1]


def test_newobj_ex() -> None:
    root = root_of(b"cos\nname\nK\x01\x85}\x92.")
    assert isinstance(root, CallNode)
    assert root.opcode == "NEWOBJ_EX"
    assert named(root.func) == ("os", "name")
    assert args_of(root) == [1]
    assert isinstance(root.kwargs, DictNode)


def test_inst() -> None:
    graph = graph_of(b"(K\x01K\x02ios\nname\n.")
    (call,) = graph.calls
    assert graph.root is call
    assert (call.opcode, call.offset) == ("INST", 5)
    assert args_of(call) == [1, 2]
    assert named(call.func) == ("os", "name")
    assert graph.globals == [call.func]


def test_obj() -> None:
    graph = graph_of(b"(cos\nname\nK\x01K\x02o.")
    (call,) = graph.calls
    assert (call.opcode, call.offset) == ("OBJ", 14)
    assert named(call.func) == ("os", "name")
    assert args_of(call) == [1, 2]


@pytest.mark.parametrize(
    ("stream", "count"),
    [
        (b"R", 0),
        (b"K\1R", 1),
        (b"K\1(K\2R", 2),
        (b"K\1\x81", 1),
        (b"K\1K\2\x92", 2),
        (b"K\1o", 1),
        (b"K\1(o", 1),
        (b"K\1ios\nname\n", 1),
        (b"K\1b", 1),
        (b"K\1(K\2b", 2),
        (b"K\1\x93", 1),
        (b"Q", 0),
        (b"\x98", 0),
    ],
)
def test_underflow(stream: bytes, count: int) -> None:
    graph = graph_of(stream)
    assert graph.error is not None
    assert graph.error.what == "stack underflow"
    assert len(graph.leftover) == count
    assert [*graph.calls, *graph.globals, *graph.persistent] == []


def test_build() -> None:
    root = root_of(b"cos\nname\n)RK\x01bK\x02b.")
    assert isinstance(root, CallNode)
    assert root.states == [1, 2]


def test_build_on_a_persistent_object() -> None:
    root = root_of(b"K\x01QK\x02bK\x03b.")
    assert isinstance(root, PersistentNode)
    assert root.states == [2, 3]


@pytest.mark.parametrize(
    ("target", "code"),
    [(b"cos\nname\n", "global"), (b"}", "dict"), (b"N", "none"), (b"K\1", "int"), (b"]", "list")],
)
def test_build_on_something_else(target: bytes, code: str) -> None:
    """RISKS: BUILD on a name plants attributes in a module's own function."""
    graph = graph_of(target + b"K\x07b.")
    assert [anomaly.code for anomaly in graph.anomalies] == [f"build_on_{code}"]
    (effect,) = graph.effects
    assert (effect.opcode, effect.operand) == ("BUILD", 7)
    assert effect.target is graph.root
    assert effect.offset == len(target) + 2


def test_persid() -> None:
    graph = graph_of(b"P('storage', 1)\n.")
    assert isinstance(graph.root, PersistentNode)
    assert (graph.root.pid, graph.root.offset) == ("('storage', 1)", 0)
    assert graph.persistent == [graph.root]
    root = root_of(b"P\n.")
    assert isinstance(root, PersistentNode)
    assert root.pid == ""


def test_persid_must_be_ascii() -> None:
    assert error_of(b"P\xff\n.").offset == 0


def test_binpersid() -> None:
    graph = graph_of(b"(K\x01tQ.")
    assert isinstance(graph.root, PersistentNode)
    assert isinstance(graph.root.pid, TupleNode)
    assert graph.persistent == [graph.root]


@pytest.mark.parametrize(
    ("stream", "code"),
    [(b"\x82\x07.", 7), (b"\x83\x01\x02.", 0x201), (b"\x84\x01\0\0\x7f.", 0x7F000001)],
)
def test_extension(stream: bytes, code: int) -> None:
    graph = graph_of(stream)
    assert isinstance(graph.root, ExtensionNode)
    assert (graph.root.code, graph.root.offset) == (code, 0)
    assert graph.extensions == [graph.root]


@pytest.mark.parametrize(
    "stream", [b"\x82\0", b"\x83\0\0", b"\x84\0\0\0\0", b"\x84\xff\xff\xff\xff"]
)
def test_impossible_extension(stream: bytes) -> None:
    assert error_of(stream).what == "an extension code is impossible"


def test_buffers() -> None:
    root = root_of(b"\x97.")
    assert isinstance(root, BufferNode)
    assert not root.readonly
    root = root_of(b"\x97\x98.")
    assert isinstance(root, BufferNode)
    assert root.readonly


def test_readonly_buffer_on_something_else() -> None:
    assert anomalies_of(b"C\1a\x98.") == ["readonly_buffer_on_bytes"]


def test_byte_strings_are_not_names() -> None:
    graph = graph_of(b"U\x02osU\x06system\x93.")
    assert graph.leftover == [ByteString(b"os"), ByteString(b"system")]

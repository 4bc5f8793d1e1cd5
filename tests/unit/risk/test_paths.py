"""The way to a value reads like Python."""

from __future__ import annotations

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph
from converter.inert.nodes import Node
from converter.risk.paths import paths_of
from corpus.hostile_writer import (
    APPEND,
    EMPTY_DICT,
    EMPTY_LIST,
    FIRE,
    PAYLOAD,
    PROTO2,
    SETITEM,
    STOP,
    call,
    named,
    text,
)


def ways(opcodes: bytes) -> list[str]:
    graph = read_graph(MemorySource(PROTO2 + opcodes + STOP, "x"))
    wanted: list[Node] = [*graph.calls, *graph.globals]
    return sorted(paths_of(graph.root, wanted).values())


def test_keys_and_indexes() -> None:
    data = EMPTY_DICT + text("model") + EMPTY_LIST + PAYLOAD + APPEND + SETITEM
    assert ways(data) == ["root['model'][0]", "root['model'][0].func"]


def test_arguments() -> None:
    assert ways(call(named("a", "f"), FIRE)) == ["root", "root.args[0]", "root.func"]


def test_deep_ones_are_cut() -> None:
    data = EMPTY_LIST * 100 + FIRE + APPEND * 100
    (way,) = ways(data)
    assert way.startswith("root…(60 steps)…[0]")


def test_long_keys_are_cut() -> None:
    (way,) = ways(EMPTY_DICT + text("k" * 1000) + FIRE + SETITEM)
    assert len(way) < 80

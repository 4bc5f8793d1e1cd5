"""The machine against ``pickletools.genops``: the same opcodes, operands and places.

The streams are those that CPython's own tests keep (``test.pickletester``), and what ``pickle``
writes here. ``genops`` decodes and executes nothing.
"""

from __future__ import annotations

import importlib
import itertools
import pickle
import pickletools
from collections import Counter, OrderedDict, defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph
from converter.inert.nodes import ByteArrayNode, Node
from tests.differential.pickle_values import plain_values

if TYPE_CHECKING:
    from collections.abc import Iterable

VALUES = [
    OrderedDict(a=1, b=[2.5, None, True]),
    defaultdict(list, {1: [2]}),
    Counter("hello"),
    Fraction(3, 7),
    {"bytes": b"abc", "array": bytearray(b"abc"), "set": {1, 2}, "frozen": frozenset("ab")},
    [2**31, -(2**31) - 1, 2**80, -(2**2100), 1.5, "é\ud800", ("a",) * 4],
    [str(number) for number in range(400)] * 2,
]

NAMING = {"GLOBAL", "STACK_GLOBAL", "INST"}
CALLING = {"REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"}
PERSISTENT = {"PERSID", "BINPERSID"}
EXTENSION = {"EXT1", "EXT2", "EXT4"}


def pickletester_streams() -> dict[str, bytes]:
    """Return the streams of CPython's tests; nothing where a distribution leaves them out."""
    try:
        samples = importlib.import_module("test.pickletester")
    except ImportError:
        return {}
    named = {name: getattr(samples, name) for name in dir(samples) if name.startswith("DATA")}
    named |= {
        f"AbstractUnpickleTests.{name}": value
        for name, value in vars(samples.AbstractUnpickleTests).items()
        if name.endswith("_data")
    }
    return {name: value for name, value in named.items() if isinstance(value, bytes)}


STREAMS = pickletester_streams() | {
    f"{type(value).__name__}-{index}-protocol-{protocol}": pickle.dumps(value, protocol)
    for index, value in enumerate(VALUES)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}


def check_against_genops(stream: bytes) -> None:
    graph = read_graph(MemorySource(stream, "sample"))
    assert graph.error is None
    assert graph.anomalies == []
    operations = [
        (opcode.name, argument, offset) for opcode, argument, offset in pickletools.genops(stream)
    ]

    def places(names: set[str]) -> list[int | None]:
        return [offset for name, _, offset in operations if name in names]

    assert graph.opcode_count == len(operations)
    assert graph.stop - 1 == operations[-1][2]
    assert [node.offset for node in graph.globals] == places(NAMING)
    assert [node.offset for node in graph.calls] == places(CALLING)
    assert [node.opcode for node in graph.calls] == [
        name for name, _, _ in operations if name in CALLING
    ]
    assert [node.offset for node in graph.persistent] == places(PERSISTENT)
    assert [node.offset for node in graph.extensions] == places(EXTENSION)
    names = [argument for name, argument, _ in operations if name in {"GLOBAL", "INST"}]
    spelled = {node.offset: f"{node.module} {node.name}" for node in graph.globals}
    assert [spelled[offset] for offset in places({"GLOBAL", "INST"})] == names  # type: ignore[index]
    protocols = [argument for name, argument, _ in operations if name == "PROTO"]
    assert [graph.protocol] == (protocols or [None])


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_places_and_names(stream: bytes) -> None:
    check_against_genops(stream)


@given(plain_values, st.sampled_from(range(pickle.HIGHEST_PROTOCOL + 1)))
def test_places_of_any_plain_value(value: object, protocol: int) -> None:
    check_against_genops(pickle.dumps(value, protocol))


def test_cpython_streams_are_there() -> None:
    if not pickletester_streams():
        pytest.skip("this Python comes without test.pickletester")
    assert {"DATA0", "DATA1", "DATA2", "DATA3", "DATA4"} <= set(STREAMS)


def atom_operations() -> Iterable[tuple[str, bytes, Any]]:
    """Yield each opcode that pushes a plain operand, as it stands alone in some stream."""
    seen = set()
    for stream in STREAMS.values():
        operations = list(pickletools.genops(stream))
        for (opcode, argument, start), (_, _, stop) in itertools.pairwise(operations):
            pushes = opcode.stack_before == [] and len(opcode.stack_after) == 1
            if pushes and argument is not None and opcode.name not in NAMING | EXTENSION:
                operation = stream[start:stop]
                if opcode.name not in {"GET", "BINGET", "LONG_BINGET"} and operation not in seen:
                    seen.add(operation)
                    yield opcode.name, operation, argument


def test_operands() -> None:
    names = set()
    for name, operation, argument in atom_operations():
        if name == "PERSID":
            continue
        graph = read_graph(MemorySource(operation + b".", "sample"))
        root: Node | bytes | bytearray = graph.root
        if isinstance(root, ByteArrayNode):
            root = bytearray(root.value)
        if isinstance(root, bytes) and isinstance(argument, str):
            root = root.decode("latin-1")  # genops shows the strings of Python 2 so
        assert root == argument, name
        assert type(root) is type(argument) or name in {"STRING", "BINSTRING", "SHORT_BINSTRING"}
        names.add(name)
    assert names >= {"INT", "LONG", "FLOAT", "UNICODE", "BININT", "BININT1", "BININT2", "LONG1"}
    assert names >= {"LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "SHORT_BINBYTES"}


@given(st.binary(max_size=40))
def test_a_sound_graph_has_the_opcodes_of_genops(body: bytes) -> None:
    """Where both get to STOP they went the same way; genops refuses some of what loaders take."""
    stream = body + b"N."
    graph = read_graph(MemorySource(stream, "sample"))
    if graph.error is not None or graph.anomalies:
        return
    operations = list(pickletools.genops(stream))
    assert len(operations) == graph.opcode_count
    assert operations[-1][2] == graph.stop - 1

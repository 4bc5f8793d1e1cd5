"""The machine against CPython's own unpickler, on streams that can do no harm.

They are streams that this module writes, streams that CPython's tests keep, and random streams of
opcodes that only push, store and nest: none of those can name or call anything. The nodes are
turned into values by a builder that knows a dozen harmless names.
"""

from __future__ import annotations

import _codecs
import copyreg
import io
import pickle
import warnings
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph
from converter.inert.names import canonical_name
from converter.inert.nodes import (
    ATOMS,
    ByteArrayNode,
    ByteString,
    CallNode,
    DictNode,
    GlobalNode,
    Graph,
    ListNode,
    SetNode,
    TupleNode,
)
from tests.differential.pickle_values import is_same, plain_values
from tests.differential.test_machine_against_pickletools import pickletester_streams

if TYPE_CHECKING:
    from converter.inert.nodes import Node

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class C:
    """Stands for the class of this name in the streams of CPython's tests, and in ours."""


HARMLESS: dict[tuple[str, str], Any] = {
    ("builtins", "complex"): complex,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytes"): bytes,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "object"): object,
    ("builtins", "range"): range,
    ("_codecs", "encode"): _codecs.encode,
    ("copyreg", "_reconstructor"): copyreg._reconstructor,  # type: ignore[attr-defined]  # noqa: SLF001
    ("copyreg", "__newobj__"): lambda cls, *args: cls.__new__(cls, *args),
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("__main__", "C"): C,
    (C.__module__, "C"): C,
}
NEWOBJ = ("NEWOBJ", "NEWOBJ_EX")


class HarmlessUnpickler(pickle.Unpickler):
    """CPython's C unpickler, for a dozen names."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as typeshed has it
        return HARMLESS[canonical_name(module, name, 2)]


def loaded(stream: bytes) -> Any:  # noqa: ANN401 - whatever was pickled
    """Return what CPython makes of a harmless stream; the strings of Python 2 stay bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of escapes that STRING does not know
        return HarmlessUnpickler(io.BytesIO(stream), encoding="bytes").load()


class Builder:
    """Turns the nodes of a harmless graph into the values they describe, recursively."""

    def __init__(self, graph: Graph) -> None:
        self.protocol = graph.protocol
        self.built: dict[int, Any] = {}

    def build(self, node: Node) -> Any:  # noqa: ANN401 - whatever the node describes
        if type(node) in ATOMS:
            return bytes(node) if isinstance(node, ByteString) else node
        if id(node) not in self.built:
            self.make(node)
        return self.built[id(node)]

    def make(self, node: Node) -> None:
        value: Any
        match node:
            case ListNode():
                value = self.built[id(node)] = []
                value.extend(map(self.build, node.items))
            case DictNode():
                value = self.built[id(node)] = {}
                self.fill(value, node.items)
            case TupleNode():
                value = tuple(map(self.build, node.items))
                self.built.setdefault(id(node), value)  # a tuple in itself was made on the way
            case SetNode():
                members = map(self.build, node.items)
                self.built[id(node)] = frozenset(members) if node.frozen else set(members)
            case ByteArrayNode():
                self.built[id(node)] = bytearray(node.value)
            case GlobalNode():
                self.built[id(node)] = HARMLESS[
                    canonical_name(node.module, node.name, self.protocol)
                ]
            case CallNode():
                self.call(node)
            case _:
                raise TypeError(node)

    def call(self, node: CallNode) -> None:
        function = self.build(node.func)
        args = self.build(node.args)
        kwargs = self.build(node.kwargs) or {}
        made = function.__new__(function, *args, **kwargs) if node.opcode in NEWOBJ else None
        value = function(*args) if made is None else made
        self.built[id(node)] = value
        for state in node.states or ():
            value.__dict__.update(self.build(state))
        self.fill(value, node.entries or [])
        value.extend(map(self.build, node.appended)) if node.appended else None

    def fill(self, mapping: Any, flat: list[Node]) -> None:  # noqa: ANN401 - what has items
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            mapping[self.build(key)] = self.build(value)


def check_against_unpickler(stream: bytes) -> None:
    graph = read_graph(MemorySource(stream, "sample"))
    assert graph.error is None
    assert graph.anomalies == []
    assert graph.leftover == []
    assert is_same(Builder(graph).build(graph.root), loaded(stream))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        OrderedDict([("b", 1), ("a", [2.5, None, True])]),
        Counter("hello"),
        complex(1.5, -0.0),
        {"bytes": b"abc\xff", "empty": b"", "array": bytearray(b"abc")},
        [{1, 2}, frozenset("ab"), set(), frozenset(), range(3)],
        [0, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**63, -(2**2100)],
        ["", "é\ud800\n\\", "x" * 300, "\U0001f600"],
        [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        [float("nan"), float("-inf"), -0.0, 5e-324],
        list(range(2_500)),
        {number: str(number) for number in range(2_500)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(value: object, protocol: int) -> None:
    check_against_unpickler(pickle.dumps(value, protocol))


@given(plain_values, st.sampled_from(PROTOCOLS))
def test_any_plain_value(value: object, protocol: int) -> None:
    check_against_unpickler(pickle.dumps(value, protocol))


def cyclic_values() -> dict[str, Any]:
    in_list: list[Any] = [1]
    in_list.append(in_list)
    in_dict: dict[str, Any] = {}
    in_dict["self"] = in_dict
    in_tuple: tuple[list[Any]] = ([],)
    in_tuple[0].append(in_tuple)
    in_object = C()
    in_object.self = in_object  # type: ignore[attr-defined]
    shared: list[Any] = []
    return {
        "list": in_list,
        "dict": in_dict,
        "tuple": in_tuple,
        "object": in_object,
        "shared": [shared, (shared, {"again": shared})],
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", cyclic_values())
def test_cycles_and_sharing(name: str, protocol: int) -> None:
    check_against_unpickler(pickle.dumps(cyclic_values()[name], protocol))


@pytest.mark.parametrize("name", ["DATA0", "DATA1", "DATA2", "DATA3", "DATA4"])
def test_streams_of_cpython(name: str) -> None:
    streams = pickletester_streams()
    if name not in streams:
        pytest.skip("this Python comes without test.pickletester")
    check_against_unpickler(streams[name])


# Nothing here can name, call or build anything, resolve an id, or reach outside the stream.
TEXT = st.sampled_from(
    [b"0", b"00", b"01", b"1", b"-1", b"+1", b" 1", b"1 ", b"0x1", b"010", b"1_0", b"1L", b"1.5",
     b"1e5", b"1e999", b"inf", b"x", b"", b"'a'", b'"a"', b"'\\x41\\n\\q'", b"'\\", b"\\u0041",
     b"1\x002", b"\x00", b"\xff", b"99999999999999999999", b"--1", b".5", b"nan", b"08"]
)  # fmt: skip
PUSHES = st.sampled_from(
    [b"N", b"\x88", b"\x89", b"]", b"}", b")", b"\x8f", b"K\x01", b"M\1\1", b"J\xff\xff\xff\xff",
     b"G\x3f\xf8\0\0\0\0\0\0", b"X\1\0\0\0a", b"\x8c\1b", b"C\1c", b"U\1d", b"\x8a\1\xff",
     b"\x8b\1\0\0\0\x01", b"\x96\1\0\0\0\0\0\0\0e"]
)  # fmt: skip
LINES = st.builds(
    lambda opcode, text: opcode + text + b"\n",
    st.sampled_from([b"I", b"L", b"F", b"S", b"V"]),
    TEXT,
)
INDEX = st.integers(0, 3).map(lambda index: bytes([index]))
MEMO = (
    st.builds(lambda opcode, index: opcode + index, st.sampled_from([b"q", b"h"]), INDEX)
    | st.builds(
        lambda opcode, index: opcode + index + b"\0\0\0", st.sampled_from([b"r", b"j"]), INDEX
    )
    | st.builds(
        lambda opcode, text: opcode + text + b"\n",
        st.sampled_from([b"p", b"g"]),
        TEXT.filter(lambda text: b"999" not in text),  # C would grow an array to that index
    )
    | st.just(b"\x94")
)
STACK = st.sampled_from(
    [b"(", b"(", b"(", b"0", b"1", b"2", b"\x85", b"\x86", b"\x87", b"t", b"l", b"d", b"e", b"a",
     b"s", b"u", b"\x90", b"\x91"]
)  # fmt: skip
harmless_streams = st.lists(PUSHES | LINES | MEMO | STACK, max_size=25).map(
    lambda parts: b"".join(parts) + b"."
)


@given(harmless_streams)
@example(b"I010\n.")
@example(b"I 1\n.")
@example(b"I+1\n.")
@example(b"I1\x002\n.")
@example(b"I\x00\n.")
@example(b"L1\x002L\n.")
@example(b"F1e999\n.")
@example(b"F.5\n.")
@example(b"Np1\x002\ng1\n.")
@example(b"N((0.")
@example(b"(N(.")
@example(b"Nq\3\x94h\1.")
@example(b"Nq\3Nq\0Nq\1\x94h\4.")
@example(b"](K\1e((l\x87.")
def test_random_harmless_streams(stream: bytes) -> None:
    """What CPython loads we read, to the same value; what it refuses we refuse or call odd.

    Only a type that cannot be hashed, or has no such method, is its business and not ours.
    """
    graph = read_graph(MemorySource(stream, "sample"))
    try:
        value = loaded(stream)
    except TypeError:  # unhashable keys and members
        return
    except (pickle.UnpicklingError, EOFError, ValueError, OverflowError):
        agree = graph.error is not None
    except (AttributeError, IndexError):  # no such method, no such item
        agree = graph.error is not None or bool(graph.effects)
    else:
        assert graph.error is None
        agree = bool(graph.effects) or is_same(Builder(graph).build(graph.root), value)
    assert agree

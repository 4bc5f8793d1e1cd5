"""The walk over a graph."""

from __future__ import annotations

from converter.inert.nodes import DictNode, ListNode, Node, TupleNode
from converter.inert.walk import Edge, iter_children, walk
from tests.unit.inert.streams import root_of


def labels(root: Node) -> list[tuple[str, ...]]:
    return [tuple(f"{edge.kind}{edge.index}" for edge in visit.path()) for visit in walk(root)]


def test_order_and_paths() -> None:
    stream = b"]q\0(K\x01(K\x02K\x03t}(X\1\0\0\0aK\4X\1\0\0\0bK\5ue."
    assert labels(root_of(stream)) == [
        (),
        ("index0",),
        ("index1",),
        ("index1", "index0"),
        ("index1", "index1"),
        ("index2",),
        ("index2", "key0"),
        ("index2", "value0"),
        ("index2", "key1"),
        ("index2", "value1"),
    ]


def test_the_edge_to_a_value_knows_its_key() -> None:
    root = root_of(b"}X\1\0\0\0aK\4s.")
    edges = [visit.edge for visit in walk(root)]
    assert edges == [None, Edge("key", 0), Edge("value", 0, "a")]


def test_everything_a_call_holds() -> None:
    stream = (
        b"cmodule\nname\n)}\x92"  # NEWOBJ_EX
        b"K\x01bK\x02b"  # two states
        b"K\x03K\x04s(K\x05K\x06u"  # entries
        b"K\x07a(K\x08K\x09e."  # appended
    )
    assert labels(root_of(stream))[1:] == [
        ("func0",),
        ("args0",),
        ("kwargs0",),
        ("state0",),
        ("state1",),
        ("entry_key0",),
        ("entry_value0",),
        ("entry_key1",),
        ("entry_value1",),
        ("appended0",),
        ("appended1",),
        ("appended2",),
    ]


def test_only_newobj_ex_has_keyword_arguments() -> None:
    assert labels(root_of(b"cmodule\nname\n)R.")) == [(), ("func0",), ("args0",)]


def test_persistent_and_set() -> None:
    assert labels(root_of(b"K\x01QK\x02b.")) == [(), ("pid0",), ("state0",)]
    assert labels(root_of(b"(K\x01\x91.")) == [(), ("index0",)]


def test_shared_nodes_once_and_plain_values_everywhere() -> None:
    """[x, x] with x = [1], and 1 again."""
    visits = list(walk(root_of(b"](]K\x01aq\0h\0K\x01e.")))
    assert [type(visit.node) for visit in visits] == [ListNode, ListNode, int, int]


def test_a_cycle_ends() -> None:
    root = root_of(b"]q\0h\0a.")
    visits = list(walk(root))
    assert [visit.node for visit in visits] == [root]


def test_a_cycle_through_a_tuple() -> None:
    root = root_of(b"]q\0(h\0ta.")
    assert isinstance(root, ListNode)
    assert [type(visit.node) for visit in walk(root)] == [ListNode, TupleNode]


def test_nothing_below_an_atom_or_a_name() -> None:
    assert list(iter_children("text")) == []
    assert list(iter_children(root_of(b"cmodule\nname\n."))) == []
    assert list(iter_children(root_of(b"\x97."))) == []


def test_deep() -> None:
    depth = 200_000
    root = root_of(b"]" * depth + b"a" * (depth - 1) + b".")
    visits = list(walk(root))
    assert len(visits) == depth
    assert len(visits[-1].path()) == depth - 1


def test_wide_keys() -> None:
    """A key may be a node that holds other nodes."""
    root = root_of(b"}(K\x01K\x02tK\x03s.")
    assert isinstance(root, DictNode)
    assert labels(root) == [(), ("key0",), ("key0", "index0"), ("key0", "index1"), ("value0",)]

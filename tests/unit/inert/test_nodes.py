"""Kinds of nodes."""

from __future__ import annotations

import pytest

from converter.inert.nodes import (
    ATOMS,
    BufferNode,
    ByteArrayNode,
    ByteString,
    CallNode,
    DictNode,
    ExtensionNode,
    GlobalNode,
    ListNode,
    Node,
    PersistentNode,
    SetNode,
    TupleNode,
    kind_of,
)


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        (None, "none"),
        (True, "bool"),
        (1, "int"),
        (1.0, "float"),
        ("", "str"),
        (b"", "bytes"),
        (ByteString(b""), "byte_string"),
        (ListNode(0, []), "list"),
        (TupleNode(0, []), "tuple"),
        (DictNode(0, []), "dict"),
        (SetNode(0, [], frozen=False), "set"),
        (ByteArrayNode(0, b""), "bytearray"),
        (GlobalNode(0, "a", "b"), "global"),
        (ExtensionNode(0, 1), "extension"),
        (PersistentNode(0, "1"), "persistent"),
        (BufferNode(0), "buffer"),
        (CallNode(0, "REDUCE", None, None), "call"),
    ],
)
def test_every_kind_has_a_word(node: Node, kind: str) -> None:
    assert kind_of(node) == kind


def test_nodes_are_compared_by_identity() -> None:
    """Comparing by content would recurse as deep as the stream likes."""
    for kind in (ListNode, TupleNode, DictNode):
        assert kind(0, []) != kind(0, [])
        assert kind not in ATOMS


def test_a_byte_string_is_not_bytes() -> None:
    assert type(ByteString(b"a")) in ATOMS
    assert type(ByteString(b"a")) is not bytes

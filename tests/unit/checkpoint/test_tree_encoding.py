"""Trees as JSON: readable, as large as the graph, as shallow as parsers like."""

from __future__ import annotations

import json
import time

import pytest

from converter.checkpoint.document import (
    decode_document,
    restore_tree,
)
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.values import MappingValue, PlainValue, SequenceValue, Value
from converter.errors import UnsupportedError
from tests.unit.checkpoint.round_trips import (
    again,
    encode,
)
from tests.unit.checkpoint.value_trees import (
    checkpoint_of,
)


def in_tree(value: Value) -> object:
    return json.loads(encode(checkpoint_of(value)))["root"]


def nested(depth: int) -> SequenceValue:
    root = SequenceValue("list", [])
    innermost = root
    for _ in range(depth):
        inner = SequenceValue("list", [])
        innermost.items.append(inner)
        innermost = inner
    return root


def test_a_small_tree_reads_well() -> None:
    group = MappingValue(
        "dict", [("lr", 0.1), ("betas", SequenceValue("tuple", [0.9, 0.999])), ("nesterov", False)]
    )
    assert in_tree(SequenceValue("list", [group])) == {
        "type": "ref",
        "id": 0,
    }
    document = json.loads(encode(checkpoint_of(SequenceValue("list", [group]))))
    assert document["nodes"] == [
        {
            "type": "list",
            "items": [
                {
                    "type": "dict",
                    "entries": [
                        ["lr", 0.1],
                        ["betas", {"type": "tuple", "items": [0.9, 0.999]}],
                        ["nesterov", False],
                    ],
                }
            ],
        }
    ]


def test_a_shared_tree_of_ten_to_the_sixty_leaves_stays_small() -> None:
    root: Value = "leaf"
    for _ in range(60):
        root = SequenceValue("list", [root] * 10)
    started = time.perf_counter()
    text = encode(checkpoint_of(root))
    assert len(text) < 20_000
    assert again(root) is not None
    assert time.perf_counter() - started < 5


def test_a_long_text_that_repeats_is_written_once() -> None:
    text = "\u00fc" * 10_000
    value = SequenceValue("list", [text, "".join(["\u00fc"] * 10_000), text.encode()] * 50)
    assert len(encode(checkpoint_of(value))) < 60_000
    again(value)


def test_nesting_of_200_000_levels_is_shallow_json() -> None:
    root = nested(200_000)
    text = encode(checkpoint_of(root))
    assert _json_depth(text) < 100
    json.loads(text)
    restored = restore_tree(decode_document(text), lambda name, _: pytest.fail(name))
    assert trees_equal(root, restored.root) is None


def test_nesting_of_every_container_stays_below_100_levels() -> None:
    root: Value = 1
    for level in range(600):
        root = (
            SequenceValue("tuple", [root])
            if level % 3
            else MappingValue("dict", [("k", PlainValue("slice", (root, None, None)))])
        )
    assert _json_depth(encode(checkpoint_of(root))) < 100
    again(root)


def _json_depth(text: bytes) -> int:
    brackets = text.translate(None, delete=bytes(set(range(256)) - set(b"[]{}")))
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def test_an_unknown_kind_of_collection_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        encode(checkpoint_of(SequenceValue("array.array", [])))
    with pytest.raises(UnsupportedError):
        encode(checkpoint_of(MappingValue("mappingproxy")))


def test_a_foreign_object_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        encode(checkpoint_of({"raw": "dict"}))  # type: ignore[arg-type]  # the mistake

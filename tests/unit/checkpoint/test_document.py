"""A checkpoint's document: everything but the tensor bytes, to JSON and back."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings

from converter.checkpoint.document import (
    decode_document,
    restore_tree,
)
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.values import SequenceValue, Value
from converter.errors import FormatError, UnsupportedError
from tests.unit.checkpoint.round_trips import (
    encode,
    round_trip,
    same_bytes,
    same_elements,
)
from tests.unit.checkpoint.value_trees import (
    checkpoint_of,
    value_trees,
)


@given(value_trees())
@settings(max_examples=300)
def test_any_tree_comes_back_the_same(root: Value) -> None:
    checkpoint = checkpoint_of(root)
    restored = round_trip(checkpoint)
    assert (
        trees_equal(root, restored.root, compare_tensors=same_elements, compare_storages=same_bytes)
        is None
    )
    assert restored.components[0].value is restored.root
    assert [list(component.tensors) for component in restored.components] == [
        list(component.tensors) for component in checkpoint.components
    ]


@given(value_trees())
@settings(max_examples=30)
def test_the_same_checkpoint_gives_the_same_bytes(root: Value) -> None:
    assert encode(checkpoint_of(root)) == encode(checkpoint_of(root))


@pytest.mark.parametrize("schema", ["depickle/checkpoint-v2", "other"])
def test_another_schema_is_told_apart_from_a_broken_document(schema: str) -> None:
    with pytest.raises(UnsupportedError, match=schema):
        decode_document(json.dumps({"schema": schema, "more": 1}))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"schema":"depickle/checkpoint-v1"}',
        b'{"schema":' + b"[" * 100_000,
        b'{"schema":"depickle/checkpoint-v1","root":' + b'{"type":"list","items":[' * 50_000,
        b'{"schema":"depickle/checkpoint-v1","root":' + b"9" * 10_000 + b"}",
        b'{"schema":"depickle/checkpoint-v1","root":1e999}',
    ],
    ids=range(9),
)
def test_what_is_no_document_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        decode_document(text)


def test_speed_of_300_000_texts() -> None:
    value = SequenceValue("list", [f"model.layers.{n}.attention.weight" for n in range(300_000)])
    started = time.perf_counter()
    text = encode(checkpoint_of(value))
    encoded = time.perf_counter()
    document = decode_document(text)
    restored = restore_tree(document, lambda name, _: pytest.fail(name))
    decoded = time.perf_counter()
    assert trees_equal(value, restored.root) is None
    print(  # noqa: T201 - shown with -s
        f"300k texts, {len(text) / 1e6:.1f} MB: encode {encoded - started:.2f} s, "
        f"decode {decoded - encoded:.2f} s, compare {time.perf_counter() - decoded:.2f} s"
    )


def test_no_heavy_library_is_imported() -> None:
    code = (
        "import sys, converter.checkpoint.document\n"
        "print([m for m in ('torch', 'numpy', 'rich', 'click') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"

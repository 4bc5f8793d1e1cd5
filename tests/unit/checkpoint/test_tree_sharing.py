"""What stands more than once: objects by identity, long plain values by content."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.tree_sharing import contents, find_shared, find_tensors, long_atom_key
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
    children,
    is_atom,
)
from converter.dtypes import BY_NAME
from converter.inert.nodes import ByteString
from tests.unit.checkpoint.value_trees import find_all, value_trees

FLOAT32 = BY_NAME["float32"]
STORAGE = Storage("k", MemorySource(bytes(4), "k"), 4, FLOAT32, "cpu")
EVERY_CLASS: list[Value] = [
    SequenceValue("list", ["a", 1]),
    MappingValue("defaultdict", [("k", 1)], "factory", MappingValue("dict")),
    PlainValue("complex", (1.0, 2.0)),
    GlobalValue("m", "n", "file", "source"),
    ArrayValue("dtype", (), fortran=False, data=[1, 2]),
    InertValue("c", "REDUCE", "f", [1], "kw", [2], [("k", 3)], [4]),
    CompositeTensor("nested", None, None, (("p", 1),), (("f", 2),)),
    TensorRef(STORAGE, FLOAT32, (1,), (1,), 0, attributes="attributes"),
    STORAGE,
]


def test_identity_counts_and_equality_does_not() -> None:
    one, other = SequenceValue("list", [1]), SequenceValue("list", [1])
    shared, _ = find_shared([SequenceValue("tuple", [one, other, one])])
    assert shared == {one}


def test_roots_count_as_references() -> None:
    inner = SequenceValue("list", [])
    assert find_shared([SequenceValue("list", [inner]), inner])[0] == {inner}


def test_long_plain_values_count_by_type_and_content() -> None:
    texts: list[Value] = [b"x" * 200, b"x" * 200, ByteString(b"x" * 200), "x" * 200, "y", "y"]
    assert find_shared(texts)[1] == {(bytes, b"x" * 200)}
    assert find_shared([1 << 1600, 1 << 1600, 1 << 1000, 1 << 1000])[1] == {(int, 1 << 1600)}


@pytest.mark.parametrize("value", [None, True, 1.0, "short", b"short", 2**64])
def test_short_plain_values_have_no_key(value: Value) -> None:
    assert long_atom_key(value) is None


@pytest.mark.parametrize("value", EVERY_CLASS, ids=lambda value: type(value).__name__)
def test_contents_is_everything_that_is_inside(value: Value) -> None:
    inside = {id(item) for item in contents(value)}
    for field in dataclasses.fields(value):  # type: ignore[arg-type]  # all are dataclasses
        _expect(getattr(value, field.name), inside)
    assert contents(3) == []


def _expect(content: object, inside: set[int]) -> None:
    if isinstance(content, (list, tuple)):
        for item in content:
            _expect(item, inside)
    elif type(content).__module__.startswith("converter.checkpoint"):
        assert id(content) in inside


@given(value_trees())
def test_contents_reaches_what_the_labelled_walk_reaches(root: Value) -> None:
    reached = {id(value) for value in find_all(root)}
    for value in find_all(root):
        for _, child in children(value):
            assert is_atom(child) or id(child) in reached


@given(value_trees())
def test_every_tensor_and_bare_storage_is_found_once(root: Value) -> None:
    wanted = [value for value in find_all(root) if isinstance(value, (TensorRef, Storage))]
    assert find_tensors([root, root]) == wanted
    assert find_tensors([1, "text"]) == []


def test_the_storage_of_a_tensor_is_not_by_itself() -> None:
    tensor = TensorRef(STORAGE, FLOAT32, (1,), (1,), 0, attributes=SequenceValue("list", []))
    assert find_tensors([tensor]) == [tensor]
    assert find_tensors([tensor, STORAGE]) == [tensor, STORAGE]

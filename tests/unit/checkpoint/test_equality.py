"""Equal trees are equal, and every difference has a place and a reason."""

from __future__ import annotations

import copy
import math
import struct

import pytest
from hypothesis import given

from converter.byteio.source import MemorySource
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.dtypes import BY_NAME
from converter.inert.nodes import ByteString
from tests.unit.checkpoint.value_trees import value_trees

FLOAT32 = BY_NAME["float32"]


def listed(*items: Value) -> SequenceValue:
    return SequenceValue("list", list(items))


def mapped(*entries: tuple[Value, Value]) -> MappingValue:
    return MappingValue("dict", list(entries))


def storage(nbytes: int = 4, location: str = "cpu") -> Storage:
    return Storage("0", MemorySource(bytes(nbytes), "0"), nbytes, FLOAT32, location)


def tensor(*shape: int, **changes: object) -> TensorRef:
    fields = {"storage": storage(64), "dtype": FLOAT32, "shape": shape, "offset": 0}
    return TensorRef(**{**fields, "stride": (1,) * len(shape), **changes})  # type: ignore[arg-type]  # fields by name


def array(**changes: object) -> ArrayValue:
    fields = {"dtype": None, "shape": (1,), "fortran": False, "data": b"a"}
    return ArrayValue(**{**fields, **changes})  # type: ignore[arg-type]  # fields by name


def nan(payload: int) -> float:
    return float(struct.unpack(">d", struct.pack(">Q", 0x7FF8 << 48 | payload))[0])


@given(value_trees())
def test_a_tree_equals_itself_and_its_copy(root: Value) -> None:
    assert trees_equal(root, root) is None
    assert trees_equal(root, copy.deepcopy(root)) is None


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, True, "$: int 1 against bool True"),
        (1, 1.0, "$: int 1 against float 1.0 (0x3ff0000000000000)"),
        ("1", b"1", "$: str '1' against bytes b'1'"),
        (b"1", ByteString(b"1"), "$: bytes b'1' against ByteString b'1'"),
        (0.0, -0.0, "$: 0.0 (0x0000000000000000) against -0.0 (0x8000000000000000)"),
        (nan(1), nan(2), "$: nan (0x7ff8000000000001) against nan (0x7ff8000000000002)"),
        (None, listed(), "$: NoneType None against SequenceValue"),
        (listed(1, 2), listed(1, 3), "$.1: 2 against 3"),
        (listed(1), listed(1, 2), "$: 1 items against 2"),
        (listed(), SequenceValue("tuple", []), "$: kind 'list' against 'tuple'"),
        (SequenceValue("deque", [], 1), SequenceValue("deque", [], 2), "$: maxlen 1 against 2"),
        (mapped(("a", 1), ("b", 2)), mapped(("b", 2), ("a", 1)), "$.a.(key): 'a' against 'b'"),
        (mapped(), mapped(("a", 1)), "$: 0 entries against 1"),
        (mapped((1, 2)), mapped((True, 2)), "$.1.(key): int 1 against bool True"),
        (mapped(("a", listed(0))), mapped(("a", listed(1))), "$.a.0: 0 against 1"),
        (mapped(), MappingValue("OrderedDict"), "$: kind 'dict' against 'OrderedDict'"),
        (
            MappingValue("dict", [], None, mapped()),
            mapped(),
            "$.(attributes): MappingValue against NoneType None",
        ),
        (
            MappingValue("defaultdict", [], 1),
            MappingValue("defaultdict", [], 2),
            "$.(factory): 1 against 2",
        ),
        (PlainValue("complex", (1,)), PlainValue("range", (1,)), "$: kind 'complex' against"),
        (PlainValue("complex", (1,)), PlainValue("complex", (2,)), "$.0: 1 against 2"),
        (GlobalValue("a", "b"), GlobalValue("a", "c"), "$: name 'b' against 'c'"),
        (GlobalValue("a", "b", "f"), GlobalValue("a", "b"), "$: source_file 'f' against None"),
        (array(), array(data=b"b"), "$: other data"),
        (array(), array(data=ByteString(b"a")), "$: other data"),
        (array(data=[]), array(data=b""), "$: other data"),
        (array(data=[1]), array(data=[2]), "$.0: 1 against 2"),
        (array(), array(shape=(1, 1)), "$: shape (1,) against (1, 1)"),
        (array(), array(dtype=1), "$.(dtype): NoneType None against int 1"),
        (InertValue("a", "NEWOBJ"), InertValue("a", "REDUCE"), "$: how 'NEWOBJ' against 'REDUCE'"),
        (
            InertValue("a", "b", args=[1]),
            InertValue("a", "b", args=[2]),
            "$.(args).0: 1 against 2",
        ),
        (
            InertValue("a", "b", states=[1]),
            InertValue("a", "b", appended=[1]),
            "$: 1 states against 0",
        ),
        (
            CompositeTensor("quantized", None, (1,), (("a", 1),)),
            CompositeTensor("quantized", None, (1,), (("b", 1),)),
            "$.a.(key): 'a' against 'b'",
        ),
        (
            CompositeTensor("meta", FLOAT32, None),
            CompositeTensor("meta", None, None),
            "$: dtype torch.float32 against None",
        ),
        (tensor(1), tensor(2), "$: shape (1,) against (2,)"),
        (tensor(1), tensor(1, dtype=BY_NAME["int32"]), "$: dtype torch.float32 against torch.i"),
        (tensor(1), tensor(1, requires_grad=True), "$: requires_grad False against True"),
        (tensor(1), tensor(1, class_name="P"), "$: class_name 'torch.Tensor' against 'P'"),
        (tensor(1, attributes=1), tensor(1, attributes=2), "$.(attributes): 1 against 2"),
        (storage(4), storage(8), "$: nbytes 4 against 8"),
        (storage(), storage(4, "cuda:0"), "$: location 'cpu' against 'cuda:0'"),
    ],
)
def test_the_first_difference_is_told(a: Value, b: Value, expected: str) -> None:
    found = trees_equal(a, b)
    assert found is not None
    assert found.startswith(expected)
    assert trees_equal(b, a) is not None


def test_sharing_is_part_of_a_tree() -> None:
    one = listed()
    shared, apart = listed(one, one), listed(listed(), listed())
    assert trees_equal(shared, apart) == "$.1: shared differently"
    assert trees_equal(apart, shared) == "$.1: shared differently"


def test_cycles_of_different_length_differ() -> None:
    short, long = listed(), listed()
    short.items.append(short)
    long.items.append(listed(long))
    assert trees_equal(short, long) == "$.0: shared differently"
    assert trees_equal(short, short) is None


def test_how_a_tensor_lies_in_its_storage_is_not_compared() -> None:
    assert trees_equal(tensor(2, 2, stride=(1, 2)), tensor(2, 2, stride=(2, 1))) is None


def test_bytes_are_the_callers_to_compare() -> None:
    seen = []

    def other(a: object, b: object) -> str:
        seen.append((a, b))
        return "element 3 differs"

    tree = mapped(("w", tensor(4)))
    again = mapped(("w", tensor(4)))
    assert trees_equal(tree, again, compare_tensors=other) == "$.w: element 3 differs"
    assert trees_equal(storage(), storage(), compare_storages=other) == "$: element 3 differs"
    assert [type(a) for a, _ in seen] == [TensorRef, Storage]


def test_long_values_are_told_in_short() -> None:
    found = trees_equal("x" * 10_000, "y" * 10_000)
    assert found is not None
    assert len(found) < 300
    assert "10000" in found
    assert trees_equal(1 << 100_000, 1) == "$: an integer of 100001 bits against 1"


def test_a_deep_difference_is_found_without_recursion() -> None:
    def nested(leaf: Value) -> Value:
        for _ in range(100_000):
            leaf = listed(leaf)
        return leaf

    found = trees_equal(nested(math.inf), nested(math.nan))
    assert found is not None
    assert len(found) < 300


def test_a_foreign_object_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        trees_equal([], [])  # type: ignore[arg-type]  # the mistake

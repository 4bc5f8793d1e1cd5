"""A document over its tensors: sharing, views, lengths, and what is refused."""

from __future__ import annotations

import json
import struct

import pytest

from converter.byteio.source import ByteSource, MemorySource
from converter.checkpoint.canonical import (
    Checkpoint,
    Component,
    ComponentKind,
    Opened,
)
from converter.checkpoint.document import (
    decode_document,
    encode_document,
    restore_tree,
)
from converter.checkpoint.document_types import (
    CheckpointDocument,
)
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue, SequenceValue, Value
from converter.dtypes import BY_NAME
from converter.errors import FormatError, TensorError
from tests.unit.checkpoint.round_trips import (
    FLOAT32,
    encode,
    round_trip,
    storage_of,
)
from tests.unit.checkpoint.value_trees import (
    checkpoint_of,
    element_bytes,
    whole,
)


def test_exact_aliases_share_one_storage_again() -> None:
    storage = storage_of(1.0, 2.0, 3.0)
    a = TensorRef(storage, FLOAT32, (3,), (1,), 0)
    b = TensorRef(storage, FLOAT32, (3,), (1,), 0, requires_grad=True)
    root = MappingValue("OrderedDict", [("a", a), ("b", b), ("a2", a)])
    component = Component("model", ComponentKind.MODEL, (), root, {"a": a, "b": b, "a2": a})
    checkpoint = Checkpoint(
        Opened(MemorySource(b"", "x.pt"), "zip", root=root), "state_dict", (component,), bare=True
    )
    document = encode_document(
        checkpoint, {"a": "a", "b": "a", "a2": "a"}, aliases={"b": "a", "a2": "a"}
    )
    assert document.aliases == {"b": "a", "a2": "a"}
    asked = []

    def lookup(name: str, file: str | None) -> ByteSource:
        asked.append((name, file))
        return MemorySource(element_bytes(a), name)

    restored = restore_tree(document, lookup)
    model = restored.components[0]
    assert model.tensors["a"] is model.tensors["a2"]
    assert model.tensors["a"] is not model.tensors["b"]
    assert model.tensors["a"].storage is model.tensors["b"].storage
    assert asked == [("a", None)]


def test_the_source_view_stays_known_where_the_output_is_contiguous() -> None:
    storage = storage_of(*range(6), key="archive/data/7", location="cuda:0")
    transposed = TensorRef(storage, FLOAT32, (2, 2), (1, 2), 1, neg=True)
    restored = round_trip(checkpoint_of(transposed))
    tensor = restored.tensors[0]
    assert (tensor.stride, tensor.offset, tensor.neg) == ((2, 1), 0, False)
    assert element_bytes(tensor) == struct.pack("<4f", -1.0, -3.0, -2.0, -4.0)
    assert tensor.storage.location == "cuda:0"
    view = restored.views[0]
    assert (view.stride, view.offset, view.neg) == ((1, 2), 1, True)
    assert (restored.storages[view.storage].nbytes, restored.storages[view.storage].data) == (
        24,
        None,
    )


def test_big_endian_elements_are_little_endian_afterwards() -> None:
    numbers = Storage("0", MemorySource(b"\x01\x02\x03\x04", "0"), 4, None, "cpu", big_endian=True)
    tensor = TensorRef(numbers, BY_NAME["uint16"], (2,), (1,), 0)
    restored = round_trip(checkpoint_of(SequenceValue("list", [tensor, numbers]))).root
    assert isinstance(restored, SequenceValue)
    again_tensor, again_storage = restored.items
    assert isinstance(again_tensor, TensorRef)
    assert isinstance(again_storage, Storage)
    assert not again_tensor.storage.big_endian
    assert element_bytes(again_tensor) == b"\x02\x01\x04\x03"
    assert again_storage.big_endian
    assert element_bytes(whole(again_storage)) == b"\x01\x02\x03\x04"


def test_a_tensor_without_a_name_is_a_view_of_its_written_storage() -> None:
    storage = storage_of(*range(6))
    rows = TensorRef(storage, FLOAT32, (2,), (3,), 1)
    root = SequenceValue("list", [storage, rows])
    checkpoint = checkpoint_of(root)
    full = checkpoint.components[1].tensors["t0"]
    document = encode_document(checkpoint, {"storages.t0": "storages.t0"})
    restored = restore_tree(document, lambda name, _: MemorySource(element_bytes(full), name))
    assert isinstance(restored.root, SequenceValue)
    view = restored.root.items[1]
    assert isinstance(view, TensorRef)
    assert view.storage is restored.root.items[0]
    assert element_bytes(view) == struct.pack("<2f", 1.0, 4.0)


def test_a_tensor_without_bytes_has_none_again() -> None:
    meta = Storage("0", None, 24, FLOAT32, "meta")
    tensor = TensorRef(meta, FLOAT32, (2, 3), (1, 2), 0)
    checkpoint = checkpoint_of(tensor)
    restored = restore_tree(encode_document(checkpoint, {}), lambda name, _: pytest.fail(name))
    assert restored.tensors[0].storage.data is None
    assert restored.tensors[0].stride == (1, 2)


def _document(**changes: object) -> CheckpointDocument:
    plain = json.loads(encode(checkpoint_of(storage_of(1.0))))
    plain.update(changes)
    return decode_document(json.dumps(plain))


@pytest.mark.parametrize(
    "changes",
    [
        {"root": {"type": "ref", "id": 5}},
        {"root": {"type": "tensor", "id": 5}},
        {"root": {"type": "storage", "id": 5}},
        {"nodes": [{"type": "ref", "id": 0}], "root": {"type": "ref", "id": 0}},
        {"root": {"type": "global", "module": {"type": "ref", "id": 0}, "name": "x"}, "nodes": [1]},
        {"root": {"type": "dict", "entries": [], "attributes": 3}},
        {"root": {"type": "array", "dtype": None, "shape": [1], "data": "text"}},
        {"root": {"type": "composite", "kind": "x", "dtype": "float33", "shape": None}},
        {
            "root": {
                "type": "composite",
                "kind": "x",
                "dtype": None,
                "shape": None,
                "parts": [[1, 1]],
            }
        },
        {"root": {"type": "text", "escaped": "\\x"}},
        {
            "components": [
                {"name": "a", "kind": "extra", "path": [], "value": 1, "tensors": [["t", 9]]}
            ]
        },
        {"tensors": [{"name": None, "dtype": "float32", "shape": [1], "storage": 9}]},
        {"tensors": [{"name": None, "dtype": "float32", "shape": [2], "storage": 0}]},
    ],
    ids=range(13),
)
def test_references_to_nowhere_and_wrong_types_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        restore_tree(_document(**changes), lambda name, _: MemorySource(bytes(4), name))


@pytest.mark.parametrize("nbytes", [0, 3, 5, 8])
@pytest.mark.parametrize("bare", [True, False])
def test_an_output_tensor_of_another_length_is_refused(nbytes: int, bare: bool) -> None:  # noqa: FBT001 - a parameter
    storage = storage_of(1.0)
    root: Value = storage if bare else TensorRef(storage, FLOAT32, (1,), (1,), 0)
    document = decode_document(encode(checkpoint_of(root)))
    with pytest.raises(TensorError):
        restore_tree(document, lambda name, _: MemorySource(bytes(nbytes), name))

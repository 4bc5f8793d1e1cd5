"""A checkpoint's document: everything but the tensor bytes, to JSON and back."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings

from converter.byteio.source import ByteSource, MemorySource
from converter.checkpoint.canonical import (
    Checkpoint,
    Component,
    ComponentKind,
    Note,
    Opened,
)
from converter.checkpoint.document import (
    decode_document,
    document_to_json,
    encode_document,
    encode_planned,
    restore_tree,
)
from converter.checkpoint.document_types import (
    CheckpointDocument,
    Encoding,
    OutputTensor,
    RestoredTree,
)
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue, PlainValue, SequenceValue, Value
from converter.dtypes import BY_NAME
from converter.errors import FormatError, PlanError, TensorError, UnsupportedError
from converter.inert.nodes import ByteString
from tests.unit.checkpoint.value_trees import (
    checkpoint_of,
    element_bytes,
    value_trees,
    whole,
)

FLOAT32 = BY_NAME["float32"]


def written(checkpoint: Checkpoint) -> dict[str, ByteSource]:
    """Return what an output file would hold, by name."""
    return {
        name: MemorySource(element_bytes(tensor), name)
        for name, tensor in checkpoint.tensors().items()
    }


def encode(checkpoint: Checkpoint) -> bytes:
    return document_to_json(
        encode_document(checkpoint, {name: name for name in checkpoint.tensors()})
    )


def round_trip(checkpoint: Checkpoint) -> RestoredTree:
    outputs = written(checkpoint)
    return restore_tree(decode_document(encode(checkpoint)), lambda name, _: outputs[name])


def again(value: Value) -> Value:
    """Return a value after a round trip, which must not change it."""
    restored = round_trip(checkpoint_of(value)).root
    assert trees_equal(value, restored, compare_tensors=same_elements) is None
    return restored


def same_elements(a: TensorRef, b: TensorRef) -> str | None:
    return None if element_bytes(a) == element_bytes(b) else "other elements"


def same_bytes(a: Storage, b: Storage) -> str | None:
    return same_elements(whole(a), whole(b))


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


def storage_of(*numbers: float, key: str = "0", location: str = "cpu") -> Storage:
    raw = struct.pack(f"<{len(numbers)}f", *numbers)
    return Storage(key, MemorySource(raw, key), len(raw), FLOAT32, location)


@given(value_trees())
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


def test_keys_keep_their_types() -> None:
    keys: list[Value] = [1, True, 1.0, "1", b"1", ByteString(b"1"), None, "True"]
    restored = again(MappingValue("dict", [(key, index) for index, key in enumerate(keys)]))
    assert isinstance(restored, MappingValue)
    assert [type(key) for key, _ in restored.entries] == [type(key) for key in keys]


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
    assert trees_equal(root, round_trip(checkpoint_of(root)).root) is None


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


def test_a_cycle_is_one_object() -> None:
    root = SequenceValue("list", [])
    root.items.append(MappingValue("dict", [("up", root)]))
    restored = again(root)
    assert isinstance(restored, SequenceValue)
    inner = restored.items[0]
    assert isinstance(inner, MappingValue)
    assert inner.entries[0][1] is restored


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


def test_a_tensor_may_hold_itself_and_others_in_its_attributes() -> None:
    attributes = MappingValue("dict")
    tensor = TensorRef(storage_of(1.0), FLOAT32, (1,), (1,), 0, attributes=attributes)
    other = TensorRef(storage_of(2.0), FLOAT32, (1,), (1,), 0, attributes=tensor)
    attributes.entries += [("self", tensor), ("other", other)]
    restored = again(tensor)
    assert isinstance(restored, TensorRef)
    assert isinstance(restored.attributes, MappingValue)
    assert restored.attributes.find("self") is restored


def test_two_tensors_of_one_full_name_are_told_apart() -> None:
    a, b = (TensorRef(storage_of(n), FLOAT32, (1,), (1,), 0) for n in (1.0, 2.0))
    components = (
        Component("a", ComponentKind.MODEL, (), None, {"b.c": a}),
        Component("a.b", ComponentKind.MODEL, (), None, {"c": b}),
    )
    root = SequenceValue("list", [a, b])
    checkpoint = Checkpoint(Opened(MemorySource(b"", "x"), "zip", root=root), "b", components)
    with pytest.raises(PlanError, match=r"a\.b\.c"):
        encode_document(checkpoint, {"a.b.c": "a.b.c"})
    outputs = {a: OutputTensor("a.b.c"), b: OutputTensor("a.b.c~2")}
    document = encode_planned(checkpoint, outputs)
    assert [record.name for record in document.tensors] == ["a.b.c", "a.b.c~2"]


def test_encodings_and_files_are_recorded() -> None:
    dtype = BY_NAME["complex128"]
    storage = Storage("0", MemorySource(bytes(32), "0"), 32, dtype, "cpu")
    tensor = TensorRef(storage, dtype, (2,), (1,), 0)
    encoding = Encoding("bitcast", "F64", [2, 2])
    output = OutputTensor("t0", "model.safetensors", encoding)
    checkpoint = checkpoint_of(tensor)
    document = encode_planned(checkpoint, {tensor: output})
    assert document == encode_document(
        checkpoint,
        {"model.t0": "t0"},
        files={"model.t0": "model.safetensors"},
        encodings={"model.t0": encoding},
    )
    record = document.tensors[0]
    assert (record.name, record.file, record.encoding) == ("t0", "model.safetensors", encoding)
    restored = restore_tree(document, lambda name, file: MemorySource(bytes(32), f"{file}!{name}"))
    assert restored.tensors[0].storage.data is not None
    assert restored.tensors[0].storage.data.name == "model.safetensors!t0"


@pytest.mark.parametrize(
    "name",
    ["/home/someone/run.pth", "C:\\models\\run.pth", "s3://b/run.pth", "models/run.pth/"],
)
def test_no_folder_of_the_source_is_told(name: str) -> None:
    document = decode_document(encode(checkpoint_of(None, name)))
    assert document.source.name == "run.pth"


def test_notes_and_facts_of_the_checkpoint_come_back() -> None:
    source = MemorySource(b"12345", "odd \ud800 name.pt")
    opened = Opened(source, "legacy", writer="torch 0.4", notes=[Note("old", "An old file.")])
    checkpoint = Checkpoint(
        opened, "values", (), layout="timm", notes=(Note("raw", "Text \udfff."),)
    )
    document = decode_document(encode(checkpoint))
    assert (document.style, document.layout, document.bare) == ("values", "timm", False)
    assert (document.source.nbytes, document.source.container) == (5, "legacy")
    assert document.source.writer == "torch 0.4"
    assert document.source.notes[0].code == "old"
    restored = restore_tree(document, lambda name, _: pytest.fail(name))
    assert restored.notes == (Note("raw", "Text \udfff."),)


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
def test_an_output_tensor_of_another_length_is_refused(nbytes: int) -> None:
    with pytest.raises(TensorError):
        restore_tree(_document(), lambda name, _: MemorySource(bytes(nbytes), name))


def test_an_unknown_kind_of_collection_is_refused() -> None:
    with pytest.raises(UnsupportedError):
        encode(checkpoint_of(SequenceValue("array.array", [])))
    with pytest.raises(UnsupportedError):
        encode(checkpoint_of(MappingValue("mappingproxy")))


def test_a_foreign_object_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        encode(checkpoint_of({"raw": "dict"}))  # type: ignore[arg-type]  # the mistake


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

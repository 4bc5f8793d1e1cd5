"""The records of a document: names, files, sharing, and no word of folders."""

from __future__ import annotations

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import (
    Checkpoint,
    Component,
    ComponentKind,
    Note,
    Opened,
)
from converter.checkpoint.document import (
    decode_document,
    encode_document,
    encode_planned,
    restore_tree,
)
from converter.checkpoint.document_types import (
    Encoding,
    OutputTensor,
)
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import SequenceValue, Value
from converter.dtypes import BY_NAME
from converter.errors import PlanError
from tests.unit.checkpoint.round_trips import (
    FLOAT32,
    encode,
    storage_of,
)
from tests.unit.checkpoint.value_trees import (
    checkpoint_of,
)


def test_a_shared_storage_names_the_tensor_that_holds_it() -> None:
    alone, parts, shared = storage_of(1.0), storage_of(1.0, 2.0), storage_of(1.0, 2.0)
    tensors: list[Value] = [
        TensorRef(alone, FLOAT32, (1,), (1,), 0),
        TensorRef(parts, FLOAT32, (1,), (1,), 0),
        TensorRef(parts, FLOAT32, (1,), (1,), 1),
        TensorRef(shared, FLOAT32, (1,), (1,), 1),
        TensorRef(shared, FLOAT32, (2, 1), (1, 1), 0),
    ]
    checkpoint = checkpoint_of(SequenceValue("list", tensors))
    document = encode_document(checkpoint, {name: name for name in checkpoint.tensors()})
    assert [record.name for record in document.storages] == [None, None, "model.t4"]


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

"""Whether a checkpoint and its conversion open as the same, and the document between them."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema

from converter.checkpoint.equality import trees_equal
from converter.limits import DEFAULT_LIMITS
from converter.readers.flattening import tensor_of_storage
from converter.writing.gather import TensorBytes
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.storage import Storage
    from converter.checkpoint.tensor import TensorRef


def elements(tensor: TensorRef) -> bytes:
    return b"".join(bytes(chunk) for chunk in TensorBytes(tensor, DEFAULT_LIMITS))


def other_elements(a: TensorRef, b: TensorRef) -> str | None:
    if a.storage.data is None or b.storage.data is None:
        # The meta device, or a tensor of an object that no state_dict() would name.
        return None
    return None if elements(a) == elements(b) else "other elements"


def other_bytes(a: Storage, b: Storage) -> str | None:
    return other_elements(tensor_of_storage(a), tensor_of_storage(b))


def facts(checkpoint: Checkpoint) -> list[Any]:
    """Return what a checkpoint says of itself and its components, apart from their bytes."""
    parts = [
        (
            one.name,
            one.kind,
            one.path,
            one.class_name,
            [(name, t.dtype, t.shape, t.requires_grad) for name, t in one.tensors.items()],
            [(name, c.kind, c.shape) for name, c in one.composites.items()],
            one.module and (one.module.certainty, one.module.left_out, one.module.classes),
        )
        for one in checkpoint.components
    ]
    return [checkpoint.style, checkpoint.bare, checkpoint.layout, *parts]


def assert_same(a: Checkpoint, b: Checkpoint) -> None:
    reason = trees_equal(
        a.opened.root,
        b.opened.root,
        compare_tensors=other_elements,
        compare_storages=other_bytes,
    )
    assert reason is None
    assert facts(a) == facts(b)
    assert b.opened.anomalies == []
    ours, theirs = a.tensors(), b.tensors()
    assert [n for n in ours if other_elements(ours[n], theirs[n])] == []


@cache
def document_schema() -> Any:  # noqa: ANN401 - a validator
    path = REPOSITORY / "schemas" / "checkpoint-v1.json"
    return jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))


def document_of(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Return the document of a converted file, wherever it is."""
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    metadata = header["__metadata__"]
    if "depickle.document" in metadata:
        return json.loads(metadata["depickle.document"])
    return json.loads((path.parent / metadata["depickle.document.file"]).read_text("utf-8"))

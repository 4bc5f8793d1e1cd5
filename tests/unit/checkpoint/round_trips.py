"""There and back: a checkpoint, its document and its tensors as an output would hold them."""

from __future__ import annotations

import struct

from converter.byteio.source import ByteSource, MemorySource
from converter.checkpoint.canonical import (
    Checkpoint,
)
from converter.checkpoint.document import (
    decode_document,
    document_to_json,
    encode_document,
    restore_tree,
)
from converter.checkpoint.document_types import (
    RestoredTree,
)
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import Value
from converter.dtypes import BY_NAME
from tests.unit.checkpoint.value_trees import (
    checkpoint_of,
    element_bytes,
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


def storage_of(*numbers: float, key: str = "0", location: str = "cpu") -> Storage:
    raw = struct.pack(f"<{len(numbers)}f", *numbers)
    return Storage(key, MemorySource(raw, key), len(raw), FLOAT32, location)

"""Which bytes travel inside the document, because no output tensor holds them.

A pickled object may hold tensors that are no part of any component: caches, anchors and buffers
that a ``state_dict()`` would not name. A model's file must not hold them, or it would not load as
one; left out, the object could not come back. Where they are small they are kept as plain bytes,
all of them or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.checkpoint.storage import Storage
from converter.checkpoint.tree_sharing import find_tensors

if TYPE_CHECKING:
    from collections.abc import Container

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits


def embedded_storages(
    checkpoint: Checkpoint, written: Container[TensorRef], limits: Limits
) -> frozenset[Storage]:
    """Return the storages whose bytes a document keeps: those that only nameless tensors need.

    None where the user left a tensor out, or where they are more than
    `Limits.max_embedded_storage_bytes`.

    Args:
        checkpoint: what is being written.
        written: the tensors that an output holds.
        limits: how much may be kept.
    """
    named = [tensor for part in checkpoint.components for tensor in part.tensors.values()]
    if any(one not in written and _has_bytes(one.storage) and one.nbytes for one in named):
        return frozenset()
    elsewhere = {tensor.storage for tensor in named}
    found = set()
    for one in find_tensors([checkpoint.opened.root]):
        storage = one if isinstance(one, Storage) else one.storage
        if storage not in elsewhere and _has_bytes(storage):
            found.add(storage)
    if sum(storage.nbytes for storage in found) > limits.max_embedded_storage_bytes:
        return frozenset()
    return frozenset(found)


def _has_bytes(storage: Storage) -> bool:
    return storage.data is not None and 0 < storage.nbytes <= storage.data.nbytes

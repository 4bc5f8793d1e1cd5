"""Reads distributed checkpoints in safetensors files (torch's HuggingFaceStorageWriter).

Every rank leaves ``shard-<rank>-model-<n>-of-<m>.safetensors`` with its chunks; where they begin
stands in the file's metadata, under ``DCP_SHARDING_INFO``. The sizes of the whole are nowhere: as
torch does, they are taken to end where the last chunk does.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue, as_text
from converter.errors import ContainerError, TensorError
from converter.readers.assembling import Chunk, assemble
from converter.readers.safetensors_source import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.checkpoint.values import Value
    from converter.readers.folder_parts import FolderParts

_SHARD: Final = re.compile(r"shard-([0-9]{5,})-model-([0-9]{5,})-of-([0-9]{5,})\.safetensors")
_PLACES: Final = "DCP_SHARDING_INFO"
_OFFSETS: Final = "saved_offsets"


def is_dcp_safetensors(names: Iterable[str]) -> bool:
    """Return whether any file is one rank's, by its name."""
    return any(_SHARD.fullmatch(name) for name in names)


def read_dcp_safetensors(parts: FolderParts) -> Value:
    """Return the tensors put together from the files of all ranks.

    Raises:
        ContainerError: files between others are missing, or do not say where chunks begin.
        TensorError: chunks are missing or overlap.
    """
    names = [name for name in parts.names if _SHARD.fullmatch(name)]
    _check_ranks(parts, names)
    chunks: dict[str, list[Chunk]] = {}
    for name in names:
        root = parts.value(name)
        if not isinstance(root, MappingValue):
            continue
        places = _places(parts, name, root)
        for key, tensor in root.entries:
            found = as_text(key)
            if found is not None and isinstance(tensor, TensorRef):
                start = _start(parts, name, found, tensor, places)
                chunks.setdefault(found, []).append(Chunk(start, tensor))
    parts.note(
        "dcp_sizes_from_chunks",
        "the sizes of whole tensors are not in the files; they end where their last chunk does",
    )
    parts.opened.storages.clear()
    entries: list[tuple[Value, Value]] = []
    for found, own in chunks.items():
        whole = _whole(parts, found, own)
        parts.opened.storages.append(whole.storage)
        entries.append((found, whole))
    return MappingValue("dict", entries)


def _check_ranks(parts: FolderParts, names: list[str]) -> None:
    """Check that no rank is missing before the last one."""
    ranks = {int(found[1]) for name in names if (found := _SHARD.fullmatch(name))}
    missing = [str(rank) for rank in range(1, max(ranks)) if rank not in ranks]
    if missing:
        raise ContainerError(
            "files of the checkpoint are missing",
            source=parts.source.name,
            expected=f"files of shards 1 to {max(ranks)}",
            found=f"none of shard {', '.join(missing)}",
            code="shards_missing",
        )


def _places(parts: FolderParts, file: str, root: MappingValue) -> dict[str, object]:
    """Return tensor name → where its chunk begins, as the file's metadata has it."""
    metadata = root.attributes.find(METADATA) if root.attributes is not None else None
    text = metadata.find(_PLACES) if isinstance(metadata, MappingValue) else None
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ContainerError(
            "file of a distributed checkpoint that does not say where its chunks begin",
            source=f"{parts.source.name}/{file}",
            expected=f"an object {_PLACES} in its metadata",
            found=repr(text)[:100],
        )
    return found


def _start(
    parts: FolderParts, file: str, name: str, tensor: TensorRef, places: dict[str, object]
) -> tuple[int, ...]:
    place = places.get(name)
    offsets = place.get(_OFFSETS) if isinstance(place, dict) else None
    items = offsets if isinstance(offsets, list) else []
    start = tuple(item for item in items if type(item) is int and item >= 0)
    if len(start) != len(tensor.shape) or len(start) != len(items):
        raise TensorError(
            "chunk that does not say where it begins",
            source=f"{parts.source.name}/{file}",
            record=name,
            expected=f"{len(tensor.shape)} offsets",
            found=repr(offsets)[:100],
        )
    return start


def _whole(parts: FolderParts, name: str, chunks: list[Chunk]) -> TensorRef:
    first = chunks[0].tensor
    ends = [
        [start + size for start, size in zip(chunk.start, chunk.tensor.shape, strict=False)]
        for chunk in chunks
        if len(chunk.start) == len(first.shape)
    ]
    shape = tuple(max(sizes) for sizes in zip(*ends, strict=True))
    try:
        return assemble(name, first.dtype, shape, chunks)
    except TensorError as error:
        error.source = error.source or parts.source.name
        raise

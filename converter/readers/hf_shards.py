"""Reads models in several files with an index, as huggingface_hub and transformers write them.

``model.safetensors.index.json`` and ``pytorch_model.bin.index.json`` hold ``weight_map``: tensor
name → file. Nothing else says what belongs to the model, so map and files are held against each
other in both directions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import CompositeTensor, MappingValue, as_text, kind_of
from converter.errors import ContainerError, LimitError, TensorError
from converter.readers.folder_parts import value_of_json
from converter.readers.record_values import listed
from converter.readers.safetensors_source import METADATA

if TYPE_CHECKING:
    from converter.checkpoint.values import Value
    from converter.readers.folder_parts import FolderParts

INDEX_SUFFIXES: Final = {".safetensors.index.json": ".safetensors", ".bin.index.json": ".bin"}
"""End of an index's name → end of the names of its files."""


def is_index(name: str) -> bool:
    """Return whether a file of that name is an index."""
    return name.endswith(tuple(INDEX_SUFFIXES))


def read_shards(parts: FolderParts, index: str) -> Value:
    """Return the tensors of all files that an index names, as one state_dict in its order.

    Raises:
        ContainerError: the index is malformed, names a file of another kind, or files are
            missing; or a file holds no state_dict.
        SourceError: it names a file outside the folder, or a symbolic link.
        TensorError: a tensor does not stand in the file that the index names.
        LimitError: the index is too long, or names too many tensors.
    """
    weight_map, metadata = _read_index(parts, index)
    files = list(dict.fromkeys(weight_map.values()))
    parts.open_all(files, index)
    shards = {file: _tensors_of(parts, file) for file in files}
    _check_places(parts, index, weight_map, shards)
    entries: dict[str, Value] = {name: shards[file][name] for name, file in weight_map.items()}
    _add_unlisted(parts, index, entries, weight_map, shards)
    _add_aliases(parts, entries, metadata)
    _check_total(parts, index, entries, metadata)
    attributes = None
    if metadata:
        attributes = MappingValue("dict", [(METADATA, value_of_json(metadata))])
    return MappingValue("dict", list(entries.items()), attributes=attributes)


def _read_index(parts: FolderParts, index: str) -> tuple[dict[str, str], dict[str, object]]:
    """Return the map and the metadata, checked."""
    found = parts.json(index)
    weight_map = found.get("weight_map") if isinstance(found, dict) else None
    metadata = found.get("metadata", {}) if isinstance(found, dict) else None
    suffix = next(end for start, end in INDEX_SUFFIXES.items() if index.endswith(start))
    where = f"{parts.source.name}/{index}"
    if not isinstance(weight_map, dict) or not weight_map:
        raise ContainerError(
            "index without a map of tensors",
            source=where,
            expected="an object weight_map",
            found=type(weight_map).__name__ if weight_map is not None else "none",
            code="index_damaged",
        )
    if len(weight_map) > parts.limits.max_tensors:
        raise LimitError(
            "max_tensors", allowed=parts.limits.max_tensors, found=len(weight_map), source=where
        )
    for name, file in weight_map.items():
        if not isinstance(file, str) or not file.endswith(suffix):
            raise ContainerError(
                "index names a file of another kind",
                source=where,
                record=name,
                expected=f"a name that ends in {suffix}",
                found=repr(file)[:200],
                code="index_damaged",
            )
    return weight_map, metadata if isinstance(metadata, dict) else {}


def _tensors_of(parts: FolderParts, file: str) -> dict[str, Value]:
    """Return name → value of one file."""
    root = parts.value(file)
    if parts.opened.error is not None:
        raise parts.opened.error
    if not isinstance(root, MappingValue):
        raise ContainerError(
            "file of a model holds no state_dict",
            source=f"{parts.source.name}/{file}",
            expected="a dict of tensors",
            found=kind_of(root),
        )
    found = {}
    for key, value in root.entries:
        name = as_text(key)
        if name is None:
            parts.note("shard_key_left_out", f"{file}: a key that is no text: {key!r:.100}")
        else:
            found[name] = value
    return found


def _check_places(
    parts: FolderParts,
    index: str,
    weight_map: dict[str, str],
    shards: dict[str, dict[str, Value]],
) -> None:
    absent = [f"{name} in {file}" for name, file in weight_map.items() if name not in shards[file]]
    if absent:
        raise TensorError(
            "tensors that are not in their file",
            source=f"{parts.source.name}/{index}",
            expected=f"{len(weight_map)} tensors in the files that the index names",
            found=f"{len(absent)} missing: {listed(absent)}",
            code="index_differs",
        )


def _add_unlisted(
    parts: FolderParts,
    index: str,
    entries: dict[str, Value],
    weight_map: dict[str, str],
    shards: dict[str, dict[str, Value]],
) -> None:
    """Keep what the files hold beyond the map; a name that is taken is only reported."""
    kept, twice = [], []
    for file, values in shards.items():
        for name, value in values.items():
            if weight_map.get(name) == file:
                continue
            if name in entries:
                twice.append(f"{name} in {file}")
            else:
                entries[name] = value
                kept.append(f"{name} in {file}")
    if kept:
        text = f"not in {index}, kept all the same: {listed(kept)}"
        parts.note("shard_tensors_unlisted", text)
    if twice:
        text = f"left out, {index} names another file for them: {listed(twice)}"
        parts.note("shard_tensors_twice", text)


def _add_aliases(
    parts: FolderParts, entries: dict[str, Value], metadata: dict[str, object]
) -> None:
    """Give tensors their second names, which some writers keep as ``dropped -> kept``."""
    count = 0
    for name, kept in metadata.items():
        if isinstance(kept, str) and kept in entries and name not in entries:
            entries[name] = entries[kept]
            count += 1
    if count:
        text = f"tensors with a second name, kept in the index: {count}"
        parts.note("safetensors_aliases", text)


def _check_total(
    parts: FolderParts, index: str, entries: dict[str, Value], metadata: dict[str, object]
) -> None:
    """Report a total size that is not that of the tensors; shared ones may count once."""
    total = metadata.get("total_size")
    tensors = [value for value in entries.values() if isinstance(value, TensorRef)]
    if type(total) is not int or any(isinstance(v, CompositeTensor) for v in entries.values()):
        return
    each = sum(tensor.nbytes for tensor in tensors)
    once = sum({tensor.view_key(): tensor.nbytes for tensor in tensors}.values())
    if total not in (each, once):
        text = f"{index} says {total} bytes in all; its tensors have {each}"
        parts.note("index_total_differs", text)

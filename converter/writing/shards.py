"""A component in several files with an index, as huggingface_hub divides and names them.

Tensors go to files in the order of the component: one that would make the file larger than wanted
begins the next, and one that is larger by itself has a file of its own. Files are called
``model-00001-of-00003.safetensors``; ``model.safetensors.index.json`` holds ``weight_map``, tensor
name → file, and the bytes of all. A component that fits into one file has no index.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeVar

from converter.errors import PlanError
from converter.writing.layout import ShardIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from converter.writing.layout import FilePlan
    from converter.writing.options import WriteOptions

_SUFFIX: Final = ".safetensors"
_Item = TypeVar("_Item")


def check_size(options: WriteOptions) -> None:
    """Raise `PlanError` if shards are asked for that have no size, or no folder."""
    size = options.max_shard_nbytes
    if size is not None and (size < 1 or not options.folder):
        msg = f"shards of {size} bytes: expected 1 byte or more, and a folder to write them to"
        raise PlanError(msg)


def divide(
    items: Sequence[_Item], nbytes_of: Callable[[_Item], int], max_nbytes: int
) -> list[list[_Item]]:
    """Return the items of each file, in order; no file is empty, and without items there is one.

    Args:
        items: in the order of the component.
        nbytes_of: returns the bytes of one.
        max_nbytes: what a file may hold, unless one item is larger.
    """
    files: list[list[_Item]] = []
    current: list[_Item] = []
    held = 0
    for item in items:
        nbytes = nbytes_of(item)
        if nbytes > max_nbytes:
            files.append([item])
            continue
        if held + nbytes > max_nbytes:
            files.append(current)
            current, held = [], 0
        current.append(item)
        held += nbytes
    if current or not files:
        files.append(current)
    return files


def shard_names(file_name: str, count: int) -> list[str]:
    """Return the names of `count` files in place of one that ends in ``.safetensors``."""
    if count == 1:
        return [file_name]
    stem = file_name.removesuffix(_SUFFIX)
    return [f"{stem}-{number:05d}-of-{count:05d}{_SUFFIX}" for number in range(1, count + 1)]


def shard_index(file_name: str, files: Sequence[FilePlan]) -> ShardIndex:
    """Return the index of files that stand in place of one of the name `file_name`."""
    aliases = {name: kept for file in files for name, kept in file.aliases.items()}
    content = {
        "metadata": {**aliases, "total_size": sum(file.data_nbytes for file in files)},
        "weight_map": {entry.name: file.file_name for file in files for entry in file.entries},
    }
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return ShardIndex(f"{file_name}.index.json", text.encode("utf-8"))

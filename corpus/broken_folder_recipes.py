"""Folders that are no checkpoint, or no longer a whole one, each with the sentence that says so."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    Metadata,
    MetadataIndex,
)

from corpus.container_recipes import distributed_checkpoint, hf_shards
from corpus.folder_recipes import deepspeed, write_index
from corpus.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus.recipe import Verdict, Write

_INDEX: Final = "model.safetensors.index.json"
_SHARD: Final = "__0_0.distcp"


def damaged_folder(write: Write, damage: Callable[[Path], object]) -> Write:
    """Return the writer of a folder to which something happened."""

    def broken_folder(path: Path) -> None:
        write(path)
        damage(path)

    return broken_folder


def folder_of(**files: bytes) -> Write:
    """Return the writer of a folder with these files."""

    def loose_files(path: Path) -> None:
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content)

    return loose_files


def lone_shard(path: Path) -> None:
    """Write one file of a distributed checkpoint without its folder."""
    folder = path.with_name("whole")
    distributed_checkpoint(folder)
    (folder / _SHARD).rename(path)
    (folder / ".metadata").unlink()
    folder.rmdir()


def compressed_items(path: Path) -> None:
    """Write a distributed checkpoint whose one item went through a compressing extension."""
    place = _StorageInfo(_SHARD, 0, 16, ["stream.zstd"])
    index = MetadataIndex("epoch")
    entries, paths = {"epoch": BytesStorageMetadata()}, {"epoch": ("epoch",)}
    path.mkdir()
    (path / ".metadata").write_bytes(
        pickle.dumps(Metadata(entries, paths, {index: place}, None, "1.0.0"))
    )
    (path / _SHARD).write_bytes(bytes(16))


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _second_rank(path: Path) -> None:
    name = "mp_rank_00_model_states.pt"
    torch.save({}, path / "global_step10" / name.replace("00", "01"))


def _refused(write: Write, shows: str, message: str, verdict: Verdict = "safe") -> Recipe:
    """Return a recipe; what is not whole may still hold no harm, as far as it goes."""
    return Recipe(write=write, shows=shows, verdict=verdict, message=message)


BROKEN_FOLDERS: Final[dict[str, Recipe]] = {
    "broken/folders/index_damaged": _refused(
        damaged_folder(hf_shards, lambda path: write_index(path / _INDEX, [])),
        "A model whose index lists nothing.",
        "index without a map of tensors: @@FILE@@/model.safetensors.index.json: "
        "expected an object weight_map, found list",
    ),
    "broken/folders/index_differs": _refused(
        damaged_folder(
            hf_shards,
            lambda path: write_index(path / _INDEX, {"weight": "model-00002-of-00002.safetensors"}),
        ),
        "A model whose index names the wrong file.",
        "tensors that are not in their file: @@FILE@@/model.safetensors.index.json: "
        "expected 1 tensors in the files that the index names, found 1 missing: "
        "weight in model-00002-of-00002.safetensors",
    ),
    "broken/folders/distcp_shard/__0_0.distcp": _refused(
        lone_shard,
        "One file of a distributed checkpoint.",
        "one file of a distributed checkpoint: @@FILE@@: expected its folder, with "
        "the file .metadata, found zip archives in a row, each one tensor or value",
    ),
    "broken/folders/dcp_unfinished": _refused(
        damaged_folder(distributed_checkpoint, lambda path: (path / ".metadata").unlink()),
        "A distributed checkpoint whose saving was broken off.",
        "distributed checkpoint without its metadata: @@FILE@@: expected a file "
        ".metadata, which is written last, found __0_0.distcp",
    ),
    "broken/folders/dcp_truncated": _refused(
        damaged_folder(distributed_checkpoint, lambda path: _cut(path / _SHARD)),
        "A distributed checkpoint with half of its bytes.",
        "item outside its file: @@FILE@@/__0_0.distcp, model.bias: "
        "expected 1577 bytes at 1577, found a file of 1577 bytes",
    ),
    "broken/folders/dcp_metadata": _refused(
        damaged_folder(
            distributed_checkpoint,
            lambda path: (path / ".metadata").write_bytes(pickle.dumps({"w": 1}, 2)),
        ),
        "A distributed checkpoint with the metadata of something else.",
        "metadata of a distributed checkpoint that torch does not write: "
        "@@FILE@@/.metadata, the file itself: expected "
        "torch.distributed.checkpoint.metadata.Metadata, found dict",
    ),
    "broken/folders/dcp_transforms": _refused(
        compressed_items,
        "A distributed checkpoint whose items are compressed.",
        "items of a distributed checkpoint were passed through extensions: "
        "@@FILE@@/.metadata, epoch: expected items as torch.save writes them, "
        "found stream.zstd",
        "unreadable",
    ),
    "broken/folders/dcp_ranks": _refused(
        folder_of(**{"__0.metadata": b"\x80\x02N.", "__1.metadata": b"\x80\x02N."}),
        "A distributed checkpoint that each rank saved for itself.",
        "distributed checkpoint whose ranks saved each for itself: @@FILE@@: "
        "expected one file .metadata for all ranks, found __0.metadata, __1.metadata",
    ),
    "broken/folders/deepspeed_parallel": _refused(
        damaged_folder(deepspeed(2), _second_rank),
        "A run of DeepSpeed that divided its model in more ways than one.",
        "model that DeepSpeed divided in more ways than ZeRO does: "
        "@@FILE@@/global_step10/: expected files of mp_rank_00, one for each rank, "
        "found mp_rank_01_model_states.pt",
        "unknown",
    ),
    "broken/folders/folder_unknown": _refused(
        folder_of(**{"notes.txt": b"to do\n"}),
        "A folder of something else.",
        "folder of no known kind: @@FILE@@: expected a distributed checkpoint, or a "
        "model of transformers, accelerate or DeepSpeed, found notes.txt",
    ),
}
"""Path below the corpus → its recipe."""

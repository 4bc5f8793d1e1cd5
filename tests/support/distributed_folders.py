"""Distributed checkpoints as torch writes them, one rank after the other in a single process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint import (
    DefaultSavePlanner,
    FileSystemWriter,
    HuggingFaceStorageWriter,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from torch.testing._internal.distributed.fake_pg import FakeStore

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Sharded:
    """A tensor to be divided among ranks: by dimension of the mesh, how."""

    full: Any
    placements: tuple[Any, ...]


class AnonymousWriter(FileSystemWriter):
    """Writes as its base does, less the place and the random identity of the save."""

    def storage_meta(self) -> None:
        """Return nothing."""
        return


def save_distributed(
    folder: Path,
    tree: Any,  # noqa: ANN401 - nested dicts and lists
    mesh_shape: tuple[int, ...],
    *,
    flatten: bool = True,
    hugging_face: bool = False,
    writer_type: type[FileSystemWriter] = FileSystemWriter,
    **options: Any,  # noqa: ANN401 - those of FileSystemWriter
) -> None:
    """Save a tree whose `Sharded` leaves are divided among the ranks of a mesh."""
    world = math.prod(mesh_shape)
    ranks = []
    for rank in range(world):
        dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world)
        try:
            mesh = init_device_mesh("cpu", mesh_shape)
            planner = DefaultSavePlanner(flatten_state_dict=flatten)
            planner.set_up_planner(local_tree(tree, mesh), None, rank == 0)
            writer = (
                HuggingFaceStorageWriter(str(folder), save_distributed=True)
                if hugging_face
                else writer_type(folder, sync_files=False, **options)
            )
            writer.set_up_storage_writer(rank == 0)
            ranks.append((planner, writer, writer.prepare_local_plan(planner.create_local_plan())))
        finally:
            dist.destroy_process_group()
    planner, writer, _ = ranks[0]
    plans, metadata = planner.create_global_plan([plan for _, _, plan in ranks])
    results = []
    for (own, own_writer, _), plan in zip(ranks, writer.prepare_global_plan(plans), strict=True):
        results.append(own_writer.write_data(own.finish_plan(plan), own).wait())
    writer.finish(metadata, results)


def local_tree(tree: Any, mesh: Any) -> Any:  # noqa: ANN401 - nested dicts and lists
    """Return a tree as the current rank holds it."""
    if isinstance(tree, dict):
        return {key: local_tree(value, mesh) for key, value in tree.items()}
    if isinstance(tree, list):
        return [local_tree(value, mesh) for value in tree]
    return local_tensor(tree, mesh) if isinstance(tree, Sharded) else tree


def local_tensor(sharded: Sharded, mesh: Any) -> Any:  # noqa: ANN401 - a DTensor
    """Return the current rank's part of a tensor."""
    full, placements = sharded.full, sharded.placements
    sizes, offsets = compute_local_shape_and_global_offset(full.shape, mesh, placements)
    box = tuple(slice(at, at + n) for at, n in zip(offsets, sizes, strict=True))
    return DTensor.from_local(
        full[box].clone(),
        mesh,
        placements,
        run_check=False,
        shape=full.shape,
        stride=full.stride(),
    )


def live_tensors(tree: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return dotted name → whole tensor."""
    if isinstance(tree, Sharded):
        return {prefix: tree.full}
    if torch.is_tensor(tree):
        return {prefix: tree}
    children = enumerate(tree) if isinstance(tree, list) else ()
    items = tree.items() if isinstance(tree, dict) else children
    found = {}
    for key, value in items:
        found.update(live_tensors(value, f"{prefix}.{key}" if prefix else str(key)))
    return found


def raw_bytes(tensor: Any) -> bytes:  # noqa: ANN401 - a torch tensor
    """Return the contiguous bytes of a tensor of any dtype."""
    flat = tensor.detach().contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""

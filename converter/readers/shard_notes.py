"""Says which tensors of a file are one rank's part of a larger one: DTensor and ShardedTensor.

Field names changed between releases; what is not found is not said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Note
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import CompositeTensor, InertValue, MappingValue, SequenceValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.checkpoint.canonical import Component
    from converter.checkpoint.values import Value

_MAX_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What one rank holds of a tensor.

    Attributes:
        shape: sizes of the whole, or None where they are not known.
        local: sizes of what is here, one for each shard.
        placements: how it is divided, by dimension of the mesh (``Shard(0)``, ``Replicate``).
        count: how many ranks, or shards, there are; None where that is not known.
    """

    shape: tuple[int, ...] | None
    local: tuple[tuple[int, ...], ...]
    placements: tuple[str, ...]
    count: int | None

    @property
    def is_whole(self) -> bool:
        """Return whether nothing of it is elsewhere."""
        divided = any(placement != "Replicate" for placement in self.placements)
        return self.local == (self.shape,) and (not divided or self.count == 1)

    def __str__(self) -> str:
        """Return them as people say it."""
        ranks = "" if self.count is None else f" of {self.count}"
        if self.is_whole:
            return f"whole, replicated on each{ranks}" if self.count != 1 else "whole"
        if len(self.placements) > 1 and self.count is not None:
            ranks = f" on a mesh of {self.count}"
        shards = "one shard" if len(self.local) == 1 else f"{len(self.local)} shards"
        local = " and ".join(_sizes_text(sizes) for sizes in self.local) or "none"
        how = f" ({', '.join(self.placements)})" if self.placements else ""
        whole = "unknown" if self.shape is None else _sizes_text(self.shape)
        return f"{shards}{ranks}: global shape {whole}, local shape {local}{how}"


def shard_notes(components: Iterable[Component]) -> list[Note]:
    """Return one note on all tensors that are parts of larger ones, if there are any."""
    lines = []
    for component in components:
        for name, composite in component.composites.items():
            facts = shard_facts(composite)
            if facts is not None:
                lines.append(f"{component.name}: {name}: {facts}")
    if not lines:
        return []
    more = len(lines) - _MAX_LISTED
    text = "; ".join(lines[:_MAX_LISTED]) + (f"; and {more} more" if more > 0 else "")
    return [Note("tensor_shards", f"one rank's tensors, {len(lines)} in all: {text}")]


def shard_facts(composite: CompositeTensor) -> ShardFacts | None:
    """Return what one rank holds of a DTensor or a ShardedTensor; None for anything else."""
    if composite.kind != "wrapper":
        return None
    state = next((value for name, value in composite.parts if name == "(state)"), None)
    if composite.class_name.endswith(".ShardedTensor"):
        return _of_sharded(composite, state)
    if composite.class_name.endswith(".DTensor"):
        return _of_dtensor(composite, state)
    return None


def _of_dtensor(composite: CompositeTensor, state: Value) -> ShardFacts | None:
    fields = _fields(state)
    local = _field(fields, "_local_tensor")
    if not isinstance(local, TensorRef):
        return None
    spec = _field(fields, "_spec")
    mesh: Value = None
    placements: Value = None
    if isinstance(spec, InertValue):
        mesh, placements = spec.attribute("mesh"), spec.attribute("placements")
    items = placements.items if isinstance(placements, SequenceValue) else []
    texts = tuple(_placement(item) for item in items)
    return ShardFacts(composite.shape, (local.shape,), texts, _mesh_count(mesh))


def _of_sharded(composite: CompositeTensor, state: Value) -> ShardFacts | None:
    """Read (list of shards, metadata, …)."""
    if not isinstance(state, SequenceValue) or len(state.items) < 2:
        return None
    shards, metadata = state.items[:2]
    if not isinstance(shards, SequenceValue):
        return None
    count = None
    if isinstance(metadata, InertValue):
        every = metadata.attribute("shards_metadata")
        count = len(every.items) if isinstance(every, SequenceValue) else None
    tensors = [item.attribute("tensor") for item in shards.items if isinstance(item, InertValue)]
    local = tuple(tensor.shape for tensor in tensors if isinstance(tensor, TensorRef))
    return ShardFacts(composite.shape, local, (), count)


def _fields(state: Value) -> list[MappingValue]:
    """Return the dicts of a subclass's state: itself, or those in a tuple."""
    items = state.items if isinstance(state, SequenceValue) else [state]
    return [item for item in items if isinstance(item, MappingValue)]


def _field(fields: Iterable[MappingValue], name: str) -> Value:
    return next(
        (value for value in (item.find(name) for item in fields) if value is not None), None
    )


def _mesh_count(mesh: Value) -> int | None:
    """Return the ranks of a mesh."""
    if not isinstance(mesh, InertValue):
        return None
    ranks = mesh.attribute("_flatten_rank_map")
    if isinstance(ranks, SequenceValue):
        return len(ranks.items)
    for name in ("_rank_map", "mesh"):
        found = mesh.attribute(name)
        if isinstance(found, TensorRef):
            return found.numel
    return None


def _placement(value: Value) -> str:
    if not isinstance(value, InertValue):
        return "?"
    name = value.class_name.rpartition(".")[2]
    dim = value.attribute("dim")
    return f"{name}({dim})" if type(dim) is int else name


def _sizes_text(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes)) or "scalar"

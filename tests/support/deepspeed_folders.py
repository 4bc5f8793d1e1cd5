"""Folders as DeepSpeed's save_checkpoint leaves them, from the keys it documents."""

from __future__ import annotations

import enum
import math
import sys
import types
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Model:
    """What is trained.

    Attributes:
        groups: for each group of parameters, name → fp32 weights.
        buffers: name → tensor.
        frozen: name → tensor that is not trained.
        shared: second name → first name.
    """

    groups: list[dict[str, Any]]
    buffers: dict[str, Any] = field(default_factory=dict)
    frozen: dict[str, Any] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    def whole(self) -> dict[str, Any]:
        """Return the state_dict that must come out."""
        found = {**self.buffers, **self.frozen}
        for group in self.groups:
            found.update(group)
        found.update({name: found[source] for name, source in self.shared.items()})
        return found


def save_zero(  # noqa: PLR0913 - what one run of DeepSpeed is configured with
    folder: Path,
    model: Model,
    stage: int,
    world: int,
    *,
    prefix: str = "",
    paddings: list[list[int]] | None = None,
    tag: str = "global_step10",
) -> Path:
    """Write a folder, and return that of the files."""
    files = folder / tag
    files.mkdir(parents=True)
    (folder / "latest").write_text(tag)
    parts = [_padded(model, stage, world, paddings)] if stage < 3 else []
    with stage_enum() as kind:
        for rank in range(world):
            groups = (
                [group.chunk(world)[rank].clone() for group in parts[0]]
                if stage < 3
                else _partition(model, rank, world)
            )
            state = {
                "loss_scaler": None,
                "zero_stage": kind(stage),
                "partition_count": [world] * len(groups) if stage < 3 else world,
                "single_partition_of_fp32_groups" if stage < 3 else "fp32_flat_groups": groups,
                "base_optimizer_state": {"state": {0: {"exp_avg": torch.zeros(3)}}},
            }
            if paddings is not None:
                state["param_alignment_paddings"] = paddings
            name = f"{prefix}zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
            content = {"optimizer_state_dict": state, "ds_version": "0.19.1", "ds_config": {}}
            torch.save(content, files / name)
    for rank in range(world if stage == 3 else 1):
        name = f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt"
        torch.save(
            _model_states(model, stage, rank, world),
            files / (name if stage == 3 else "mp_rank_00_model_states.pt"),
        )
    return files


def _padded(model: Model, stage: int, world: int, paddings: list[list[int]] | None) -> list[Any]:
    """Return the flat groups of stages 1 and 2, aligned to twice the number of ranks."""
    flats = []
    for number, group in enumerate(model.groups):
        pieces = []
        for place, weight in enumerate(group.values()):
            gap = paddings[number][place] if paddings else 0
            pieces += [weight.reshape(-1), torch.full((gap,), 7.0)]
        flat = torch.cat(pieces)
        rest = -flat.numel() % (2 * world)
        flats.append(torch.cat([flat, torch.full((rest,), float(stage))]))
    return flats


def _slice(weight: Any, rank: int, world: int) -> Any:  # noqa: ANN401 - torch tensors
    each = math.ceil(weight.numel() / world)
    flat = torch.cat(
        [weight.reshape(-1), torch.full((each * world - weight.numel(),), 42.0).to(weight)]
    )
    return flat[rank * each : (rank + 1) * each].clone()


def _partition(model: Model, rank: int, world: int) -> list[Any]:
    """Return the flat groups of a rank in stage 3."""
    return [
        torch.cat([_slice(weight, rank, world) for weight in group.values()])
        for group in model.groups
    ]


def _model_states(model: Model, stage: int, rank: int, world: int) -> dict[str, Any]:
    weights = model.whole()
    trained = {name for group in model.groups for name in group} | set(model.shared)
    module = {}
    for name, weight in weights.items():
        if name in trained:
            module[name] = torch.zeros(0) if stage == 3 else weight.to(torch.float16)
        else:
            module[name] = weight
    cut = {name: _slice(weight, rank, world) for name, weight in model.frozen.items()}
    return {
        "module": module,
        "buffer_names": list(model.buffers),
        "optimizer": None,
        "param_shapes": [
            {name: weight.shape for name, weight in group.items()} for group in model.groups
        ],
        "frozen_param_shapes": {n: w.shape for n, w in model.frozen.items()} or None,
        "shared_params": dict(model.shared),
        "frozen_param_fragments": (cut if stage == 3 else dict(model.frozen)) or None,
        "lr_scheduler": {"last_batch_iteration": 9, "_last_lr": [0.1]},
        "data_sampler": None,
        "random_ltd": None,
        "sparse_tensor_module_names": set(),
        "skipped_steps": 0,
        "global_steps": 10,
        "global_samples": 80,
        "dp_world_size": world,
        "mp_world_size": 1,
        "ds_config": {"train_batch_size": 8},
        "ds_version": "0.19.1",
        "epoch": 2,
    }


@contextmanager
def stage_enum() -> Iterator[Any]:
    """Have the enum that DeepSpeed writes stages as, under its own name."""
    name = "deepspeed.runtime.zero.config"
    stages = {"disabled": 0, "one": 1, "two": 2, "three": 3}
    kind: Any = enum.IntEnum("ZeroStageEnum", stages, module=name)  # type: ignore[misc]
    names = [".".join(name.split(".")[: n + 1]) for n in range(len(name.split(".")))]
    modules = {each: types.ModuleType(each) for each in names}
    modules[name].__dict__["ZeroStageEnum"] = kind
    sys.modules.update(modules)
    try:
        yield kind
    finally:
        for each in names:
            del sys.modules[each]

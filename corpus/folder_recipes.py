"""Checkpoints that are folders: of transformers, accelerate, DeepSpeed, torch.distributed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import safetensors.torch
import torch
from torch.distributed.tensor import Replicate, Shard

from corpus.checkpoint_recipes import adamw, flat
from corpus.live_values import filled_module, made
from corpus.recipe import Recipe
from tests.support.deepspeed_folders import Model, save_zero
from tests.support.distributed_folders import AnonymousWriter, Sharded, save_distributed
from tests.support.pickles import text, torch_zip

if TYPE_CHECKING:
    from corpus.recipe import Contents, Write

_SCHEDULER: Final[dict[str, Any]] = {"base_lrs": [0.1], "last_epoch": 3, "_step_count": 4}
_ARGUMENTS: Final = (
    b"\x80\x02ctransformers.training_args\nTrainingArguments\n)\x81}"
    + text("learning_rate")
    + b"G\x3f\xb9\x99\x99\x99\x99\x99\x9asb."
)


def bin_shards(path: Path) -> Contents:
    """Write a model in two files of torch.save and an index, as transformers did."""
    path.mkdir()
    tensors = filled_module(torch.nn.Linear(3, 2)).state_dict()
    weight_map = {}
    for number, (name, tensor) in enumerate(tensors.items(), 1):
        weight_map[name] = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: tensor}, path / weight_map[name])
    write_index(path / "pytorch_model.bin.index.json", weight_map)
    return {"model": tensors}


def write_index(path: Path, weight_map: object) -> None:
    """Write an index of shards."""
    index = {"metadata": {"total_size": 32}, "weight_map": weight_map}
    path.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8", newline="\n")


def trainer(path: Path) -> Contents:
    """Write what the Trainer of transformers keeps to go on with."""
    path.mkdir()
    model = filled_module(torch.nn.Linear(3, 2))
    saved, weights = adamw(model), model.state_dict()
    random_state = torch.Generator().manual_seed(2017).get_state()[:64].clone()
    safetensors.torch.save_file(weights, path / "model.safetensors", {"format": "pt"})
    torch.save(saved, path / "optimizer.pt")
    torch.save(_SCHEDULER, path / "scheduler.pt")
    torch.save({"cpu": random_state}, path / "rng_state.pth")
    (path / "training_args.bin").write_bytes(torch_zip(_ARGUMENTS, {}))
    state = {"epoch": 3.0, "global_step": 12, "log_history": [{"loss": 0.5, "step": 12}]}
    state_text = json.dumps(state, indent=2) + "\n"
    (path / "trainer_state.json").write_text(state_text, encoding="utf-8", newline="\n")
    # The library writes tensors of one type in the order of their names.
    ordered = dict(sorted(weights.items()))
    return {"model": ordered, "optimizer": flat(saved), "rng": {"cpu": random_state}}


def accelerate(path: Path) -> Contents:
    """Write what accelerate keeps to go on with: a model, its optimizer, random states."""
    path.mkdir()
    model = filled_module(torch.nn.Linear(2, 2))
    saved, weights = adamw(model), model.state_dict()
    random_state = torch.Generator().manual_seed(7).get_state()[:64].clone()
    safetensors.torch.save_file(weights, path / "model.safetensors", {"format": "pt"})
    torch.save(saved, path / "optimizer.bin")
    torch.save(_SCHEDULER, path / "scheduler.bin")
    torch.save({"step": 3, "torch_manual_seed": random_state}, path / "random_states_0.pkl")
    return {
        "model": dict(sorted(weights.items())),
        "optimizer": flat(saved),
        "random_states_0": {"torch_manual_seed": random_state},
    }


def deepspeed(stage: int) -> Write:
    """Return the writer of a run of DeepSpeed on two ranks, of one stage of ZeRO."""

    def deepspeed_run(path: Path) -> Contents:
        model = Model(
            groups=[{"body.weight": made(3, 5), "body.bias": made(5, number=3)}],
            buffers={"norm.mean": made(4, number=7)},
            shared={"head.weight": "body.weight"},
        )
        save_zero(path, model, stage, 2)
        return {"model": model.whole()}

    return deepspeed_run


def of_ranks(*, hugging_face: bool) -> Write:
    """Return the writer of a checkpoint of two ranks, of torch's own form or of safetensors."""

    def distributed_run(path: Path) -> Contents:
        tensors = {"weight": made(4, 6), "bias": made(6, number=9)}
        tree = {
            "model": {
                "weight": Sharded(tensors["weight"], (Shard(0),)),
                "bias": Sharded(tensors["bias"], (Replicate(),)),
            }
        }
        path.mkdir()
        save_distributed(path, tree, (2,), hugging_face=hugging_face, writer_type=AnonymousWriter)
        for file in path.glob("*.safetensors"):
            _order_metadata(file)
        prefix = "model." if hugging_face else ""
        return {"model": {prefix + name: tensor for name, tensor in tensors.items()}}

    return distributed_run


def _order_metadata(path: Path) -> None:
    """Give the metadata of a safetensors file an order: the library writes it in a random one."""
    raw = path.read_bytes()
    stop = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:stop])
    header = {"__metadata__": dict(sorted(header.pop("__metadata__").items()))} | header
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    path.write_bytes(raw[:8] + text.ljust(stop - 8) + raw[stop:])


FOLDERS: Final[dict[str, Recipe]] = {
    "folders/bin_shards": Recipe(
        write=bin_shards,
        shows="A model in two files of torch.save with an index.",
        verdict="safe",
        container="model",
        style="state_dict",
    ),
    "folders/trainer": Recipe(
        write=trainer,
        shows="What the Trainer of transformers keeps: model, optimizer, counters, its arguments.",
        verdict="unknown",
        container="training",
        style="bundle",
    ),
    "folders/accelerate": Recipe(
        write=accelerate,
        shows="What accelerate keeps: model, optimizer, scheduler, random states.",
        verdict="safe",
        container="training",
        style="bundle",
    ),
    **{
        f"folders/deepspeed_zero_{stage}": Recipe(
            write=deepspeed(stage),
            shows=f"A run of DeepSpeed on two ranks, of stage {stage} of ZeRO.",
            verdict="unknown",
            container="deepspeed",
            style="bundle",
        )
        for stage in (2, 3)
    },
    "folders/two_ranks": Recipe(
        write=of_ranks(hugging_face=False),
        shows="A folder of torch.distributed.checkpoint of two ranks, a tensor divided.",
        verdict="safe",
        container="dcp",
        style="bundle",
    ),
    "folders/two_ranks_safetensors": Recipe(
        write=of_ranks(hugging_face=True),
        shows="The same as safetensors files, each with its part of the tensor.",
        verdict="safe",
        container="dcp_safetensors",
        style="state_dict",
    ),
}
"""Path below the corpus → its recipe."""

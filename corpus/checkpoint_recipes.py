"""Checkpoints of every style, as torch.save writes them today."""

from __future__ import annotations

import random
import sys
import types
from collections import Counter, OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from corpus.live_values import filled, filled_module, made
from corpus.manifest import Stored
from corpus.recipe import Recipe

if TYPE_CHECKING:
    from corpus.recipe import Contents

_FLOATS: Final = ("float64", "float32", "float16", "bfloat16")
_FLOATS_OF_8_BITS: Final = (
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)
_INTEGERS: Final = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64")


def state_dict(path: Path) -> Contents:
    """Write what most people save: the state_dict of a model."""
    model = filled_module(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)))
    torch.save(model.state_dict(), path)
    return {"model": model.state_dict()}


def dtypes(path: Path) -> Contents:
    """Write one tensor of every element type that safetensors has too."""
    tensors = {name: made(4).to(getattr(torch, name)) for name in _FLOATS}
    tensors |= {
        name: torch.tensor([0, 1, 126, 255], dtype=torch.uint8).view(getattr(torch, name))
        for name in _FLOATS_OF_8_BITS
    }
    tensors |= {name: torch.arange(4).to(getattr(torch, name)) for name in _INTEGERS}
    tensors["bool"] = torch.tensor([True, False])
    tensors["complex64"] = torch.tensor([1 + 2j, -3.5 - 0.0j])
    torch.save(tensors, path)
    return {"model": tensors}


def values_of_floats(path: Path) -> Contents:
    """Write floats of which every bit counts: NaN payloads, infinities, -0.0, subnormals."""
    bits = [0x7FC00000, 0x7F800001, 0xFFC12345, 0x7F800000, 0xFF800000, 0x80000000, 1, 0x807FFFFF]
    single = torch.tensor(bits, dtype=torch.int64).to(torch.uint32).view(torch.float32)
    halves = torch.tensor([0x7E01, 0xFC00, 0x8000, 1], dtype=torch.int32).to(torch.uint16)
    tensors = {
        "float32": single,
        "float16": halves.view(torch.float16),
        "bfloat16": halves.clone().view(torch.bfloat16),
    }
    torch.save(tensors, path)
    return {"model": tensors}


def views(path: Path) -> Contents:
    """Write tensors that share storages: ties, transposed, cut, repeated; and empty ones."""
    whole = made(4, 6)
    tensors = {
        "whole": whole,
        "tied": whole,
        "transposed": whole.t(),
        "column": whole[:, 2],
        "every_other": whole[::2, 1::2],
        "repeated": made(3, number=5).expand(2, 3),
        "flipped_conj": torch.tensor([1 + 2j, 3 - 4j]).conj(),
        "negative": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 3),
    }
    torch.save(tensors, path)
    return {"model": tensors}


def without_equivalent(path: Path) -> Contents:
    """Write element types that safetensors lacks, which are stored in another one's bits."""
    tensors: dict[str, Any] = {
        "complex128": torch.tensor([1 + 2j, -0.5j], dtype=torch.complex128),
        "complex32": made(4).to(torch.float16).view(torch.complex32),
        "bits8": torch.tensor([1, 2, 255], dtype=torch.uint8).view(torch.bits8),
        "bits16": torch.tensor([1, 513], dtype=torch.int16).view(torch.bits16),
    }
    torch.save(tensors, path)
    exact = {
        "complex32": Stored("complex32", (2,), _raw(made(4).to(torch.float16))),
        "bits8": Stored("bits8", (3,), bytes([1, 2, 255])),
        "bits16": Stored("bits16", (2,), bytes([1, 0, 1, 2])),
    }
    return {"model": {**tensors, **exact}}


def training_run(path: Path) -> Contents:
    """Write what a training loop keeps: model, AdamW, scheduler, counters, random states.

    Nothing is computed: results of a real step depend on the processor it ran on.
    """
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 36, 10),
    )
    weights = filled_module(model).state_dict()
    optimizer = adamw(model)
    rng = torch.Generator().manual_seed(2017).get_state()
    torch.save(
        {
            "epoch": 3,
            "state_dict": weights,
            "optimizer": optimizer,
            "scheduler": {"step_size": 2, "gamma": 0.5, "base_lrs": [1e-3], "last_epoch": 3},
            "loss": 0.1234,
            "history": [0.9, 0.3, 0.1234],
            "rng": {"torch": rng, "python": random.Random(2017).getstate()},
            "args": {"lr": 1e-3, "batch_size": 8, "augment": ("flip", "crop")},
        },
        path,
    )
    return {"model": weights, "optimizer": flat(optimizer), "rng": {"torch": rng}}


def optimizer(path: Path) -> Contents:
    """Write the state_dict of an optimizer by itself."""
    saved = adamw(torch.nn.Linear(2, 2))
    torch.save(saved, path)
    return {"optimizer": flat(saved)}


def multi_model(path: Path) -> Contents:
    """Write the two models of a GAN."""
    parts = {
        "generator": filled_module(torch.nn.Linear(2, 3)).state_dict(),
        "discriminator": filled_module(torch.nn.Linear(3, 1)).state_dict(),
    }
    torch.save(parts, path)
    return parts


def whole_models(path: Path) -> Contents:
    """Write two models as objects, of torch's classes."""
    parts = {
        "encoder": filled_module(torch.nn.Linear(2, 3)),
        "decoder": filled_module(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())),
    }
    torch.save(parts, path)
    return {name: model.state_dict() for name, model in parts.items()}


def listed(path: Path) -> Contents:
    """Write a list of tensors, and a tuple of them inside."""
    tensors = [made(2, number=number) for number in range(3)]
    torch.save([tensors[0], (tensors[1], tensors[2])], path)
    return {"items": {"0": tensors[0], "1.0": tensors[1], "1.1": tensors[2]}}


def scheduler(path: Path) -> Contents:
    """Write the state_dict of a learning rate scheduler by itself."""
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=0.1)
    torch.save(torch.optim.lr_scheduler.StepLR(optimizer, 2).state_dict(), path)
    return {}


def optimizer_object(path: Path) -> Contents:
    """Write an optimizer as an object, as old training loops did."""
    model = filled_module(torch.nn.Linear(2, 2))
    torch.save(torch.optim.SGD(model.parameters(), lr=0.1), path)
    parameters = enumerate(model.parameters())
    return {"optimizer": {f"param_groups.0.params.{n}": tensor for n, tensor in parameters}}


def nested(path: Path) -> Contents:
    """Write tensors in dicts, lists and tuples, under keys that are no text."""
    tensors = [made(2, number=number) for number in range(5)]
    tree = {
        "levels": [{"a": tensors[0]}, (tensors[1], {0: tensors[2]})],
        7: {"b": tensors[3]},
        "tail": tensors[4],
    }
    torch.save(tree, path)
    return {
        "model": {
            "levels.0.a": tensors[0],
            "levels.1.0": tensors[1],
            "levels.1.1.0": tensors[2],
            "7.b": tensors[3],
            "tail": tensors[4],
        }
    }


def single_tensor(path: Path) -> Contents:
    """Write a tensor by itself."""
    tensor = made(3, 2)
    torch.save(tensor, path)
    return {"tensor": {"tensor": tensor}}


def values(path: Path) -> Contents:
    """Write a dict without any tensor."""
    torch.save(
        {
            "epoch": 12,
            "accuracy": 0.875,
            "classes": OrderedDict(cat=0, dog=1),
            "seen": Counter(cat=2),
            "sizes": torch.Size([2, 3]),
            "dtype": torch.float16,
            "device": torch.device("cpu"),
            "large": 1 << 70,
            "nothing": None,
            "raw": b"\x00\xff",
        },
        path,
    )
    return {}


def whole_module(path: Path) -> Contents:
    """Write a module as an object, of classes that torch has."""
    model = filled_module(
        torch.nn.Sequential(
            OrderedDict(
                conv=torch.nn.Conv2d(1, 2, 3),
                norm=torch.nn.BatchNorm2d(2),
                act=torch.nn.ReLU(),
                head=torch.nn.Linear(2, 2),
            )
        )
    )
    torch.save(model, path)
    return {"model": model.state_dict()}


def module_of_own_class(path: Path) -> Contents:
    """Write a module as an object, of a class that only its author has."""

    class Net(torch.nn.Module):  # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)
            self.register_buffer("scale", torch.ones(2))
            self.register_buffer("cache", torch.zeros(1), persistent=False)
            self.depth = 3

    package = types.ModuleType("somebodys_project")
    Net.__module__ = package.__name__
    Net.__qualname__ = "Net"
    package.Net = Net  # type: ignore[attr-defined]
    sys.modules[package.__name__] = package
    try:
        model = filled_module(Net())
        torch.save(model, path)
    finally:
        del sys.modules[package.__name__]
    return {"model": model.state_dict()}


def sparse(path: Path) -> Contents:
    """Write sparse tensors of two layouts; their parts stand in the output."""
    dense = torch.tensor([[0.0, 1.5, 0.0], [2.5, 0.0, -3.5]])
    coo, csr = dense.to_sparse(), dense.to_sparse_csr()
    torch.save({"coo": coo, "csr": csr}, path)
    return {
        "model": {
            "coo.indices": coo.indices(),
            "coo.values": coo.values(),
            "csr.crow_indices": csr.crow_indices(),
            "csr.col_indices": csr.col_indices(),
            "csr.values": csr.values(),
        }
    }


def quantised(path: Path) -> Contents:
    """Write a quantised tensor; its integers stand in the output."""
    tensor = torch.quantize_per_tensor(made(2, 3), 0.125, 2, torch.qint8)
    torch.save({"w": tensor}, path)
    return {"model": {"w.int_repr": Stored("qint8", (2, 3), _raw(tensor.int_repr()))}}


def nested_tensor(path: Path) -> Contents:
    """Write a nested tensor: rows of different lengths in one buffer."""
    tensor = torch.nested.nested_tensor([made(2, 3), made(1, 3, number=9)])
    torch.save({"w": tensor}, path)
    return {
        "model": {
            "w.buffer": tensor.values(),
            "w.sizes": tensor._nested_tensor_size(),  # noqa: SLF001 - it has no other name
            "w.strides": tensor._nested_tensor_strides(),  # noqa: SLF001 - as above
            "w.offsets": tensor._nested_tensor_storage_offsets(),  # noqa: SLF001 - as above
        }
    }


def meta(path: Path) -> Contents:
    """Write a tensor that has a shape and no data, beside one that has both."""
    tensor = made(2)
    torch.save({"nowhere": torch.empty(2, 3, device="meta"), "here": tensor}, path)
    return {"model": {"here": tensor}}


def misnamed(path: Path) -> Contents:
    """Write a torch.save file under another format's name."""
    tensors = {"w": made(4)}
    torch.save(tensors, path)
    return {"model": tensors}


def adamw(model: torch.nn.Module) -> dict[str, Any]:
    """Return the state_dict of an AdamW that has made three steps."""
    saved: dict[str, Any] = torch.optim.AdamW(model.parameters(), lr=1e-3).state_dict()
    saved["state"] = {
        number: {
            "step": torch.tensor(3.0),
            "exp_avg": filled(torch.empty_like(parameter), number + 100),
            "exp_avg_sq": filled(torch.empty_like(parameter), number + 200).abs(),
        }
        for number, parameter in enumerate(p.detach() for p in model.parameters())
    }
    return saved


def flat(saved: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors of an optimizer under the names of their paths."""
    return {
        f"state.{number}.{name}": tensor
        for number, state in saved["state"].items()
        for name, tensor in state.items()
    }


def _raw(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().flatten().view(torch.uint8).tolist())


CHECKPOINTS: Final[dict[str, Recipe]] = {
    "state_dict/linear.pt": Recipe(
        write=state_dict,
        shows="The state_dict of a small model.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/dtypes.pt": Recipe(
        write=dtypes,
        shows="Every element type that safetensors has too.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/float_bits.pt": Recipe(
        write=values_of_floats,
        shows="NaN payloads, infinities, -0.0 and subnormals, which must not change.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/views.pt": Recipe(
        write=views,
        shows="Tensors that share storages in every way, and empty ones.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/without_equivalent.pt": Recipe(
        write=without_equivalent,
        shows="Element types that safetensors lacks: complex128, complex32, bits8, bits16.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/sparse.pt": Recipe(
        write=sparse,
        shows="Sparse tensors, COO and CSR.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/quantised.pt": Recipe(
        write=quantised,
        shows="A quantised tensor.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/nested_tensor.pt": Recipe(
        write=nested_tensor,
        shows="A nested tensor, of rows with different lengths.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/meta.pt": Recipe(
        write=meta,
        shows="A tensor without data, which is listed and not invented.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "state_dict/misnamed.safetensors": Recipe(
        write=misnamed,
        shows="A torch.save file whose name says that it is another format.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "bundle/training_run.pth.tar": Recipe(
        write=training_run,
        shows="What a training loop keeps: model, optimizer, scheduler, counters, random states.",
        verdict="safe",
        container="zip",
        style="bundle",
    ),
    "optimizer/adamw.pt": Recipe(
        write=optimizer,
        shows="The state_dict of an optimizer by itself.",
        verdict="safe",
        container="zip",
        style="optimizer",
    ),
    "multi_model/gan.pt": Recipe(
        write=multi_model,
        shows="Two models in one file.",
        verdict="safe",
        container="zip",
        style="multi_model",
    ),
    "multi_model/modules.pt": Recipe(
        write=whole_models,
        shows="Two whole modules in one file.",
        verdict="safe",
        container="zip",
        style="multi_model",
    ),
    "scheduler/step.pt": Recipe(
        write=scheduler,
        shows="The state_dict of a scheduler by itself.",
        verdict="safe",
        container="zip",
        style="scheduler",
    ),
    "optimizer/object.pt": Recipe(
        write=optimizer_object,
        shows="An optimizer as an object.",
        verdict="safe",
        container="zip",
        style="object",
    ),
    "nested/list.pt": Recipe(
        write=listed,
        shows="A list of tensors, some of them in a tuple.",
        verdict="safe",
        container="zip",
        style="nested",
    ),
    "nested/tree.pt": Recipe(
        write=nested,
        shows="Tensors in dicts, lists and tuples, under keys that are no text.",
        verdict="safe",
        container="zip",
        style="nested",
    ),
    "tensor/single.pt": Recipe(
        write=single_tensor,
        shows="A tensor by itself.",
        verdict="safe",
        container="zip",
        style="tensor",
    ),
    "values/history.pt": Recipe(
        write=values,
        shows="Values of many kinds and no tensor.",
        verdict="safe",
        container="zip",
        style="values",
    ),
    "module/sequential.pt": Recipe(
        write=whole_module,
        shows="A whole module, of torch's own classes.",
        verdict="safe",
        container="zip",
        style="module",
    ),
    "module/own_class.pt": Recipe(
        write=module_of_own_class,
        shows="A whole module, of a class that only its author has.",
        verdict="unknown",
        container="zip",
        style="module",
    ),
}
"""Path below the corpus → its recipe."""

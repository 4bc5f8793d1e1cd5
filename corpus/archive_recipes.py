"""Archives with code in them: torch.package, torch.export, TorchScript of several releases.

What tells where or when it was written is left out: places in sources, random identities.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.package import PackageExporter

from corpus.container_recipes import unpacked, write_zip
from corpus.live_values import filled_module, made
from corpus.recipe import Recipe
from tests.support.pickles import tensor_opcodes, text
from tests.support.small_files import NUMBERS

if TYPE_CHECKING:
    from corpus.recipe import Contents

_W: Final = np.frombuffer(NUMBERS, "<f4")
_CODE: Final = (
    'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = []\n  w : Tensor\n'
    "  training : bool\n"
)
_HOST: Final = (".data/python_version", ".data/serialization_id", ".debug_pkl")


class Scaled(torch.nn.Module):
    """A layer and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.register_buffer("scale", torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, scaled."""
        return self.layer(x) * self.scale


def _without_host(archive: bytes) -> dict[str, bytes]:
    return {name: data for name, data in unpacked(archive).items() if not name.endswith(_HOST)}


def package(path: Path) -> Contents:
    """Write a package with a module of torch's own, a dict of tensors and a text."""
    model, tensors = filled_module(torch.nn.Linear(2, 2)), {"w": made(3, number=9)}
    buffer = io.BytesIO()
    with PackageExporter(buffer) as exporter:
        exporter.extern("**")
        exporter.save_pickle("models", "net.pkl", model)
        exporter.save_pickle("models", "state.pkl", tensors)
        exporter.save_text("docs", "notes.txt", "two models")
    write_zip(path, _without_host(buffer.getvalue()))
    return {"models/net.pkl": model.state_dict(), "models/state.pkl": tensors}


def exported_program(path: Path) -> Contents:
    """Write a program of torch.export, without the stack traces in its graph."""
    example = made(1, 2)
    program = torch.export.export(filled_module(Scaled()), (example,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    records = _without_host(buffer.getvalue())
    graph = json.loads(records["models/model.json"])
    for node in graph["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {}
    records["models/model.json"] = json.dumps(graph).encode()
    inputs = io.BytesIO()
    write_zip(inputs, _without_host(records["data/sample_inputs/model.pt"]))
    records["data/sample_inputs/model.pt"] = inputs.getvalue()
    write_zip(path, records)
    return {"model": program.state_dict, "sample_inputs": {"0.0": example}}


def frozen_script(path: Path) -> Contents:
    """Write a frozen module: its weights are constants of the code, and have no names.

    Its class has one constant: of several the order would be another in every process.
    """
    model = filled_module(torch.nn.PReLU(3)).eval()
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.freeze(torch.jit.script(model)), buffer)
    write_zip(path, _without_host(buffer.getvalue()))
    return {"constants": {"CONSTANTS.c0": model.weight}}


def script_of_torch_1_0(path: Path) -> Contents:
    """Write a script as torch 1.0 did: JSON in place of pickles."""
    records = {
        "version": b"1\n",
        "code/net.py": b"op_version_set = 0\ndef forward(self, x: Tensor) -> Tensor:\n  return x\n",
        "tensors/0": NUMBERS,
        "model.json": json.dumps(_model_json()).encode(),
    }
    write_zip(path, records)
    return {"model": {"w": _W}}


def _model_json() -> dict[str, Any]:
    tensor = {
        "dims": ["4"],
        "offset": "0",
        "strides": ["1"],
        "requiresGrad": True,
        "dataType": "FLOAT",
        "data": {"key": "tensors/0"},
        "device": "cpu",
    }
    main = {
        "torchscriptArena": {"key": "code/net.py"},
        "name": "Net",
        "optimize": True,
        "parameters": [{"isBuffer": False, "tensorId": "0", "name": "w"}],
    }
    return {
        "protoVersion": "6",
        "mainModule": main,
        "producerName": "pytorch",
        "producerVersion": "1.0",
        "tensors": [tensor],
    }


def script_of_torch_1_4(path: Path) -> Contents:
    """Write a script as torch 1.4 did: storages in a folder ``tensors``, ids of five parts."""
    storage = tensor_opcodes("94", 4).replace(b"tQ", b"NtQ", 1)
    module = b"c__torch__\nNet\n)\x81}(" + text("w") + storage + text("training") + b"\x89ub"
    records = {
        "version": b"2\n",
        "tensors/94": NUMBERS,
        "data.pkl": b"\x80\x02" + module + b".",
        "code/__torch__.py": _CODE.encode(),
        "constants.pkl": b"\x80\x02).",
    }
    write_zip(path, records)
    return {"model": {"w": _W}}


ARCHIVES: Final[dict[str, Recipe]] = {
    "package/two_models.pt": Recipe(
        write=package,
        shows="A package of torch.package: a module, a dict of tensors and a text.",
        verdict="safe",
        container="zip",
        style="multi_model",
    ),
    "export/program.pt2": Recipe(
        write=exported_program,
        shows="A program of torch.export.",
        verdict="safe",
        container="zip",
        style="bundle",
    ),
    "torchscript/frozen.pt": Recipe(
        write=frozen_script,
        shows="A frozen scripted module, whose weight is a constant without a name.",
        verdict="safe",
        container="zip",
        style="bundle",
    ),
    "torchscript/torch_1_0.pt": Recipe(
        write=script_of_torch_1_0,
        shows="A scripted module as torch 1.0 wrote it, described in JSON.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "torchscript/torch_1_4.pt": Recipe(
        write=script_of_torch_1_4,
        shows="A scripted module as torch 1.4 wrote it, storages in a folder of their own.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
}
"""Path below the corpus → its recipe."""

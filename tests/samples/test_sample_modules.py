"""Every sample that holds a whole module, against what the torch that wrote it said of it."""

from __future__ import annotations

import hashlib
import json
import re
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

import pytest

from converter.checkpoint.tensor import TensorRef
from converter.limits import DEFAULT_LIMITS
from converter.readers.class_sources import class_sources
from converter.readers.module_printing import print_module
from converter.readers.module_state import module_state
from converter.readers.opening import open_checkpoint
from tests.support.saved_modules import content, described, live_described

if TYPE_CHECKING:
    from pathlib import Path

    from converter.checkpoint.canonical import Component

pytestmark = pytest.mark.samples

# 2.13 prints more than the old releases did.
_NEWER_WORDING: Final = (
    (re.compile(r"(BatchNorm2d\(.*affine=True, )"), r"\1bias=True, "),
    (
        re.compile(
            r"\[torch\.FloatTensor of size (\d+)\](?=\n.*\n  \)\n  \(pdict|\n  \)\n  \(pdict)"
        ),
        r"[torch.float32 of size \1]",
    ),
    (re.compile(r"mode=nearest"), "mode='nearest'"),
)

NEW: Final = (
    "zip/module.pt",
    "zip/module_compiled.pt",
    "zip/module_dataparallel.pt",
    "zip/module_dynamic_quant.pt",
    "zip/module_extra_state.pt",
    "zip/module_lazy.pt",
    "zip/module_zoo.pt",
    "legacy/module.pt",
)
OLD: Final = (
    ("t1121", "t1121_module.pt"),
    ("t1121", "t1121_module_zip.pt"),
    ("t160", "t160_module.pt"),
    ("t160", "t160_module_zip.pt"),
)


def only_component(path: Path) -> Component:
    """Return the one component of a sample that is a module."""
    checkpoint = open_checkpoint(path)
    assert checkpoint.opened.error is None
    assert checkpoint.style == "module"
    assert checkpoint.bare
    (component,) = checkpoint.components
    return component


def check(component: Component, truth: dict[str, Any], *, unknown: tuple[str, ...] = ()) -> None:
    """Compare keys, order, shapes and bytes with a manifest's ``state_dict``."""
    entries = module_state(component.value, DEFAULT_LIMITS).entries
    expected = truth["state_dict"]
    assert list(entries) == [name for name, _ in expected if name not in unknown]
    for name, facts in expected:
        if "sha256" not in facts:
            assert name not in component.tensors
            continue
        tensor = entries[name]
        assert isinstance(tensor, TensorRef)
        assert tensor.dtype.name == facts["dtype"]
        assert list(tensor.shape) == facts["shape"]
        assert hashlib.sha256(content(tensor)).hexdigest() == facts["sha256"]


@pytest.mark.parametrize("name", NEW)
def test_module_of_today(name: str, samples: Path) -> None:
    truth = json.loads((samples / "manifest.json").read_text())["files"][name]
    component = only_component(samples / name)
    # get_extra_state() is a method of the class, and the class is not here.
    check(component, truth, unknown=("_extra_state",))
    if "repr" in truth:
        assert print_module(component.value) == truth["repr"]


@pytest.mark.parametrize(("release", "name"), OLD)
def test_module_of_an_old_release(release: str, name: str, samples: Path) -> None:
    manifest = json.loads((samples / "old" / f"{release}_manifest.json").read_text())["files"]
    component = only_component(samples / "old" / name)
    check(component, manifest[name])
    expected = manifest[f"{release}_module.pt"]["repr"]
    for pattern, newer in _NEWER_WORDING:
        expected = pattern.sub(newer, expected)
    assert print_module(component.value) == expected


@pytest.mark.parametrize("release", ["t1121", "t160"])
def test_every_class_of_an_old_release(release: str, samples: Path) -> None:
    manifest = json.loads((samples / "old" / f"{release}_manifest.json").read_text())
    checkpoint = open_checkpoint(samples / "old" / f"{release}_alltypes.pt")
    models = [part for part in checkpoint.components if part.kind == "model"]
    assert [part.name for part in models] == [str(index) for index in range(len(models))]
    assert len(models) == manifest["files"][f"{release}_alltypes.pt"]["n"]
    for model in models:
        assert model.module is not None
        assert model.module.certainty == "certain"
        assert "?" not in print_module(model.value)
    names = {str(part.class_name).rpartition(".")[2] for part in models}
    assert names >= {"Conv2d", "LSTM", "Transformer"}


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_every_class_of_1_12_as_torch_loads_it_today(samples: Path) -> None:
    torch = pytest.importorskip("torch")
    path = samples / "old" / "t1121_alltypes.pt"
    unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    # getattr makes the bound methods that lazy modules keep as hooks.
    packages = {name.split(".")[0] for name in unsafe if name != "builtins.getattr"}
    assert packages == {"torch"}
    with torch.serialization.safe_globals([resolve_name(name) for name in unsafe]):
        live = torch.load(path, weights_only=True)
    models = [part for part in open_checkpoint(path).components if part.kind == "model"]
    for (_, module), part in zip(live, models, strict=True):
        assert list(described(part)) == list(live_described(module))
        assert described(part) == live_described(module)
        assert print_module(part.value) == repr(module)


def test_plain_pickle_of_a_module(samples: Path) -> None:
    component = only_component(samples / "pickle" / "module_proto2.pkl")
    assert list(component.tensors) == ["weight", "bias"]
    assert print_module(component.value) == "Linear(in_features=2, out_features=2, bias=True)"


def test_module_in_the_tar_layout(samples: Path) -> None:
    checkpoint = open_checkpoint(samples / "handmade" / "tar_handmade_module.pt")
    assert checkpoint.style == "module"
    assert not checkpoint.tensors()
    assert class_sources(checkpoint.opened)


def test_source_of_classes_in_a_legacy_file(samples: Path) -> None:
    checkpoint = open_checkpoint(samples / "legacy" / "module.pt")
    sources = class_sources(checkpoint.opened)
    linear = sources["torch.nn.modules.linear.Linear"]
    assert (linear.file, linear.text) == ("withheld.py", "class Linear: ...  # source withheld\n")
    assert "__main__.Net" in sources


@pytest.mark.parametrize("release", ["t1121", "t160"])
def test_optimizer_object(release: str, samples: Path) -> None:
    checkpoint = open_checkpoint(samples / "old" / f"{release}_optimizer_object.pt")
    (component,) = checkpoint.components
    assert component.kind == "optimizer"
    assert component.class_name == "torch.optim.adam.Adam"
    assert "state.0.exp_avg" in component.tensors
    assert "param_groups.0.params.1" in component.tensors
    assert not any("~" in name for name in component.tensors)

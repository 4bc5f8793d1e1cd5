"""TorchScript, torch.package and torch.export samples against the manifests of their writers."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import InertValue
from converter.limits import DEFAULT_LIMITS
from converter.readers.module_state import module_state
from converter.readers.torch_export import read_torch_export
from converter.readers.torch_package import read_torch_package
from converter.readers.torchscript import read_torchscript
from tests.support.archives import content, found, opened_with, tensors_of

if TYPE_CHECKING:
    from pathlib import Path

    from converter.checkpoint.canonical import Opened
    from converter.checkpoint.values import Value

pytestmark = pytest.mark.samples


def read(samples: Path, name: str) -> Opened:
    """Return what the reader of a sample's kind finds; nothing may be odd about it."""
    readers = {"package": read_torch_package, "export": read_torch_export}
    reader = readers.get(name.partition("/")[0], read_torchscript)
    opened = opened_with(reader, (samples / name).read_bytes()).opened
    assert opened.anomalies == []
    return opened


def expected_of(samples: Path, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the (name, facts) of the state_dict that a manifest lists."""
    manifest = samples / "manifest.json"
    if name.startswith("old/"):
        manifest = samples / "old" / f"{name[4:].partition('_')[0]}_manifest.json"
    files = json.loads(manifest.read_text())["files"]
    return [tuple(item) for item in files[name.removeprefix("old/")]["state_dict"]]


def check(tensors: dict[str, TensorRef], expected: list[tuple[str, dict[str, Any]]]) -> None:
    for name, facts in expected:
        tensor = tensors[name]
        assert tensor.dtype.name == facts["dtype"], name
        assert list(tensor.shape) == facts["shape"], name
        assert list(tensor.stride) == facts["stride"], name
        assert hashlib.sha256(content(tensor)).hexdigest() == facts["sha256"], name


@pytest.mark.parametrize("name", ["jit/scripted.pt", "old/t1121_jit.pt", "old/t160_jit.pt"])
def test_torchscript_state_is_as_the_manifest_says(name: str, samples: Path) -> None:
    root = read(samples, name).root
    model = found(root, "model")
    tensors = tensors_of(root if model is None else model)
    expected = expected_of(samples, name)
    assert list(tensors) == [key for key, _ in expected]
    check(tensors, expected)


def test_frozen_torchscript_has_constants_only(samples: Path) -> None:
    root = read(samples, "jit/frozen.pt").root
    assert expected_of(samples, "jit/frozen.pt") == []
    assert found(root, "model") is None
    constants = tensors_of(found(root, "constants"))
    shapes = [(name, tensor.dtype.name, tensor.shape) for name, tensor in constants.items()]
    assert shapes == [
        ("CONSTANTS.c0", "float32", (2, 3)),
        ("CONSTANTS.c1", "float32", (2,)),
        ("CONSTANTS.c2", "float32", (2,)),
        ("CONSTANTS.c3", "float32", (1,)),
        ("CONSTANTS.c4", "int64", (2,)),
        ("CONSTANTS.c5", "float32", ()),
    ]


def test_extra_file_of_torchscript_is_a_value(samples: Path) -> None:
    root = read(samples, "jit/scripted.pt").root
    assert found(root, "extra", "extra_files", "note.txt") == "hello"


def test_packaged_module_is_as_the_manifest_says(samples: Path) -> None:
    root = read(samples, "package/pkg.pt").root
    check(recovered(found(root, "models/linear.pkl")), expected_of(samples, "package/pkg.pt"))
    assert found(root, "docs/a.txt") == "hi"


def recovered(module: Value) -> dict[str, TensorRef]:
    """Return the dense tensors of a module's recovered state_dict."""
    assert isinstance(module, InertValue)
    entries = module_state(module, DEFAULT_LIMITS).entries
    return {name: value for name, value in entries.items() if isinstance(value, TensorRef)}


def test_exported_program_is_as_the_manifest_says(samples: Path) -> None:
    root = read(samples, "export/model.pt2").root
    tensors = tensors_of(found(root, "model"))
    expected = expected_of(samples, "export/model.pt2")
    check(tensors, expected)
    # parameters first, then buffers: the order of the program's signature
    assert list(tensors) == ["l.weight", "l.bias", "t.weight", "t.bias", "b"]
    assert sorted(tensors) == sorted(key for key, _ in expected)
    assert tensors["l.weight"].storage is tensors["t.weight"].storage
    assert set(tensors_of(found(root, "constants"))) == {"c", "np_"}

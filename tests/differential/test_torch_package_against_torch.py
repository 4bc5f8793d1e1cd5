"""Packages that torch.package writes: the recovered tensors against the live models."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from torch.package import PackageExporter, package_exporter  # noqa: E402 - after the skip

from converter.checkpoint.tensor import TensorRef  # noqa: E402 - after the skip
from converter.checkpoint.values import InertValue, SequenceValue  # noqa: E402 - after the skip
from converter.limits import DEFAULT_LIMITS  # noqa: E402 - after the skip
from converter.readers.module_state import module_state  # noqa: E402 - after the skip
from converter.readers.torch_package import read_torch_package  # noqa: E402 - after the skip
from tests.support.archives import (  # noqa: E402 - after the skip
    described,
    found,
    live_described,
    opened_with,
    tensors_of,
)

if TYPE_CHECKING:
    from converter.checkpoint.values import Value

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # torch.package says that TypedStorage is deprecated
]

nn = torch.nn


def packaged(pickles: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return a package of values by resource name, with a text, bytes and a source beside them."""
    # Scripted modules in packages are behind this gate.
    monkeypatch.setattr(package_exporter, "_gate_torchscript_serialization", False)
    buffer = io.BytesIO()
    with PackageExporter(buffer) as exporter:
        exporter.extern("**")
        for name, value in pickles.items():
            exporter.save_pickle("models", name, value)
        exporter.save_text("docs", "a.txt", "grüße")
        exporter.save_binary("docs", "b.bin", b"\x00\xff")
        exporter.save_source_string("my_net.layers", "SIZE = 1\n")
    return buffer.getvalue()


def state_of(module: Value) -> dict[str, TensorRef]:
    """Return the dense tensors of a recovered module."""
    assert isinstance(module, InertValue)
    entries = module_state(module, DEFAULT_LIMITS).entries
    return {name: value for name, value in entries.items() if isinstance(value, TensorRef)}


def test_modules_have_the_state_of_the_live_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {
        "linear.pkl": nn.Linear(3, 2),
        "net.pkl": nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LSTM(2, 2)),
        "half": nn.Linear(2, 2).bfloat16(),
    }
    opened = opened_with(read_torch_package, packaged(models, monkeypatch)).opened
    assert opened.anomalies == []
    for name, model in models.items():
        ours = described(state_of(found(opened.root, f"models/{name}")))
        expected = live_described(model.state_dict())
        assert list(ours) == list(expected)
        assert ours == expected


def test_single_model_is_a_component(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Linear(3, 2)
    checkpoint = opened_with(read_torch_package, packaged({"net.pkl": model}, monkeypatch))
    part = next(part for part in checkpoint.components if part.name == "models/net.pkl")
    assert str(part.kind) == "model"
    assert part.class_name == "torch.nn.modules.linear.Linear"
    assert described(part.tensors) == live_described(model.state_dict())


def test_storages_are_shared_between_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    values = {"a.pkl": {"w": weight}, "b.pkl": {"t": weight.t(), "again": weight}}
    opened = opened_with(read_torch_package, packaged(values, monkeypatch)).opened
    first = tensors_of(found(opened.root, "models/a.pkl"))
    second = tensors_of(found(opened.root, "models/b.pkl"))
    assert first["w"].storage is second["t"].storage
    assert described({**first, **second}) == live_described(
        {"w": weight, "t": weight.t(), "again": weight}
    )
    assert len(opened.storages) == 1


def test_scripted_modules_are_their_state_dicts(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    values = {"a.pkl": {"net": scripted, "same": scripted}, "b.pkl": [scripted.state_dict()]}
    opened = opened_with(read_torch_package, packaged(values, monkeypatch)).opened
    assert opened.anomalies == []
    net = found(opened.root, "models/a.pkl", "net")
    assert net is found(opened.root, "models/a.pkl", "same")
    expected = live_described(scripted.state_dict())
    assert list(described(tensors_of(net))) == list(expected)
    assert described(tensors_of(net)) == expected
    listed = found(opened.root, "models/b.pkl")
    assert isinstance(listed, SequenceValue)
    plain = tensors_of(listed.items[0])
    assert plain["0.weight"].storage is tensors_of(net)["0.weight"].storage


def test_graph_modules_keep_what_their_class_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2)))
    data = packaged({"g.pkl": {"one": graph, "two": graph}}, monkeypatch)
    opened = opened_with(read_torch_package, data).opened
    module = found(opened.root, "models/g.pkl", "one")
    assert module is found(opened.root, "models/g.pkl", "two")
    assert described(state_of(module)) == live_described(graph.state_dict())


def test_package_says_what_else_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    root = opened_with(read_torch_package, packaged({"w.pkl": 1}, monkeypatch)).opened.root
    assert found(root, "models/w.pkl") == 1
    assert found(root, "docs/a.txt") == "grüße"
    assert found(root, "docs/b.bin") == b"\x00\xff"
    sources = found(root, "python_sources")
    assert isinstance(sources, SequenceValue)
    assert "my_net/layers.py" in sources.items
    externs = found(root, ".data/extern_modules")
    assert isinstance(externs, SequenceValue)
    version = found(root, ".data/python_version")
    assert isinstance(version, str)
    assert version.startswith("3.")

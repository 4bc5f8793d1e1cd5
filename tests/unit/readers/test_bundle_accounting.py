"""Whatever a bundle holds, no tensor of it is lost between its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import converter

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def names_in(tmp_path: Path, root: object) -> list[str]:
    path = tmp_path / "bundle.pt"
    torch.save(root, path)
    checkpoint = converter.open(path)
    checkpoint.close()
    return sorted(checkpoint.tensors())


def test_tensors_beside_a_module_in_an_inner_dict(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 2)
    names = names_in(tmp_path, {"a": {"lin": module, "w": torch.ones(3)}, "b": 1})
    assert len(names) == 3
    assert any(name.endswith("w") for name in names)


def test_tensors_beside_a_wrapped_state_dict(tmp_path: Path) -> None:
    state_dict = torch.nn.Linear(2, 2).state_dict()
    root = {"model": {"state_dict": state_dict, "args": {"x": 1}}, "rng": torch.ones(2), "n": 3}
    assert names_in(tmp_path, root) == ["extra.rng", "model.bias", "model.weight"]


def test_deeply_mixed_bundle(tmp_path: Path) -> None:
    root = {
        "nets": [torch.nn.Linear(1, 1), {"extra": torch.ones(1)}],
        "stats": {"mean": torch.ones(1), "inner": {"std": [torch.ones(1), torch.ones(2)]}},
        "plain": 5,
    }
    assert len(names_in(tmp_path, root)) == 2 + 1 + 1 + 2


def test_optimizer_alone(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1)).backward()
    optimizer.step()
    path = tmp_path / "optimizer.pt"
    torch.save(optimizer.state_dict(), path)
    checkpoint = converter.open(path)
    checkpoint.close()
    assert checkpoint.style == "optimizer"
    assert [str(part.kind) for part in checkpoint.components] == ["optimizer"]

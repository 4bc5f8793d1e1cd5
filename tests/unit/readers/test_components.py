"""Files that hold modules and optimizers as objects, beside other things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from tests.support.saved_modules import opened, saved  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Checkpoint

pytestmark = pytest.mark.torch

nn = torch.nn

ADAM = [f"state.{index}.{name}" for index in (0, 1) for name in ("step", "exp_avg", "exp_avg_sq")]
PARAMS = ["param_groups.0.params.0", "param_groups.0.params.1"]


def opened_of(value: object) -> Checkpoint:
    return opened(saved(value, "zip"))


def trained() -> tuple[Any, Any]:
    """Return a module and an optimizer that has taken a step."""
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return module, optimizer


def summary(checkpoint: Checkpoint) -> list[tuple[str, str, tuple[str, ...], list[str]]]:
    return [
        (part.name, str(part.kind), part.path, list(part.tensors)) for part in checkpoint.components
    ]


def test_models_and_optimizer_as_objects() -> None:
    module, optimizer = trained()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    checkpoint = opened_of(
        {
            "model": module,
            "ema": nn.Linear(3, 3),
            "optimizer": optimizer,
            "scheduler": scheduler,
            "epoch": 3,
        }
    )
    assert checkpoint.style == "multi_model"
    assert not checkpoint.bare
    assert summary(checkpoint) == [
        ("model", "model", ("model",), ["0.weight", "0.bias"]),
        ("ema", "model", ("ema",), ["weight", "bias"]),
        ("optimizer", "optimizer", ("optimizer",), [*ADAM, *PARAMS]),
        (
            "scheduler",
            "scheduler",
            ("scheduler",),
            [f"optimizer.{name}" for name in (*ADAM, *PARAMS)],
        ),
        ("extra", "extra", (), []),
    ]
    assert [part.class_name for part in checkpoint.components] == [
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.linear.Linear",
        "torch.optim.adam.Adam",
        "torch.optim.lr_scheduler.StepLR",
        None,
    ]
    model, _, optim, *_ = checkpoint.components
    assert optim.tensors["param_groups.0.params.0"] is model.tensors["0.weight"]


def test_optimizer_alone() -> None:
    checkpoint = opened_of(trained()[1])
    assert summary(checkpoint) == [("optimizer", "optimizer", (), [*ADAM, *PARAMS])]
    assert checkpoint.bare
    assert not checkpoint.notes


def test_module_beside_plain_state_dicts() -> None:
    module, optimizer = trained()
    checkpoint = opened_of({"model": module, "optimizer": optimizer.state_dict()})
    assert checkpoint.style == "bundle"
    assert summary(checkpoint) == [
        ("model", "model", ("model",), ["0.weight", "0.bias"]),
        ("optimizer", "optimizer", ("optimizer",), ADAM),
    ]


def test_modules_one_level_down() -> None:
    checkpoint = opened_of({"nets": {"G": nn.Linear(1, 1), "D": nn.Linear(1, 1), "step": 4}})
    assert summary(checkpoint) == [
        ("nets.G", "model", ("nets", "G"), ["weight", "bias"]),
        ("nets.D", "model", ("nets", "D"), ["weight", "bias"]),
        ("extra", "extra", (), []),
    ]


def test_modules_further_down_are_named_by_their_paths() -> None:
    checkpoint = opened_of({"a": {"b": {"c": nn.Sequential(nn.Linear(1, 1))}}})
    assert summary(checkpoint) == [("model", "model", (), ["a.b.c.0.weight", "a.b.c.0.bias"])]


def test_list_of_modules_some_without_tensors() -> None:
    checkpoint = opened_of([nn.Linear(1, 1), nn.ReLU(), nn.BatchNorm1d(1, affine=False)])
    assert checkpoint.style == "multi_model"
    assert summary(checkpoint) == [
        ("0", "model", ("0",), ["weight", "bias"]),
        ("1", "model", ("1",), []),
        ("2", "model", ("2",), ["running_mean", "running_var", "num_batches_tracked"]),
    ]


def test_list_of_named_modules() -> None:
    checkpoint = opened_of([("linear", nn.Linear(1, 1)), ("relu", nn.ReLU())])
    assert summary(checkpoint) == [
        ("0", "model", ("0", "1"), ["weight", "bias"]),
        ("1", "model", ("1", "1"), []),
        ("extra", "extra", (), []),
    ]


def test_tensors_beside_a_module_are_kept() -> None:
    checkpoint = opened_of([nn.Linear(1, 1), torch.ones(2)])
    assert summary(checkpoint) == [
        ("0", "model", ("0",), ["weight", "bias"]),
        ("extra", "extra", (), ["0"]),
    ]


def test_module_without_tensors() -> None:
    checkpoint = opened_of(nn.ReLU())
    assert checkpoint.style == "module"
    assert summary(checkpoint) == [("model", "model", (), [])]


def test_the_same_module_twice_is_two_components_over_the_same_tensors() -> None:
    module = nn.Linear(1, 1)
    first, second = opened_of({"model": module, "ema": module}).components
    assert first.tensors["weight"] is second.tensors["weight"]

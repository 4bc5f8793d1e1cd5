"""Optimizers of torch before 1.6: ids are kept, their places are shown, torch loads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

import converter  # noqa: E402 - after the skip
from tests.support.command import depickle  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def trained(count: int = 2) -> Any:  # noqa: ANN401 - an optimizer
    parameters = [torch.nn.Parameter(torch.full((2,), float(n))) for n in range(count)]
    optimizer = torch.optim.Adam([{"params": parameters[:1]}, {"params": parameters[1:]}])
    for parameter in parameters:
        parameter.grad = parameter + 1.0
    optimizer.step()
    return optimizer


def as_before_1_6(optimizer: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what ``state_dict()`` gave then: the same, with ``id(parameter)`` for its place."""
    state = optimizer.state_dict()
    ids = [139_872_004_112_000 - 72 * n for n in range(len(state["state"]))]
    for group in state["param_groups"]:
        group["params"] = [ids[place] for place in group["params"]]
    state["state"] = {ids[place]: one for place, one in state["state"].items()}
    return dict(state)


@pytest.mark.parametrize("count", [2, 10])
def test_addresses_are_kept_and_their_places_shown(count: int, tmp_path: Path) -> None:
    old = as_before_1_6(trained(count))
    torch.save({"optimizer": old, "epoch": 3}, tmp_path / "old.pt")
    converter.convert(tmp_path / "old.pt", tmp_path / "old.safetensors")
    for name in ("old.pt", "old.safetensors"):
        outcome = depickle("inspect", tmp_path / name)
        assert "0 is 139872004112000, 1 is 139872004111928" in " ".join(outcome.out.split())
        assert ("and 2 more" in outcome.out) == (count == 10)
    found = converter.open(tmp_path / "old.safetensors").to_python()["optimizer"]
    assert list(found["state"]) == list(old["state"])
    fresh = trained(count)
    fresh.load_state_dict(found)
    assert str(fresh.state_dict()) == str(trained(count).state_dict())


def test_places_are_nothing_to_speak_of(tmp_path: Path) -> None:
    torch.save({"optimizer": trained().state_dict()}, tmp_path / "new.pt")
    assert not any("address" in note.text for note in converter.open(tmp_path / "new.pt").notes)

"""The way back: what was converted is restored to what ``torch.load`` takes, and equals it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

torch: Any = pytest.importorskip("torch")

import converter  # noqa: E402 - after the skip
from converter.errors import PlanError  # noqa: E402 - after the skip
from converter.strategies import CheckpointFile, checkpoint_files  # noqa: E402 - after the skip
from tests.support.live_trees import live_difference  # noqa: E402 - after the skip
from tests.support.round_trips import converted  # noqa: E402 - after the skip
from tests.support.shares import share  # noqa: E402 - after the skip
from tests.support.temporary import folder  # noqa: E402 - after the skip

pytestmark = [pytest.mark.torch, pytest.mark.timeout(0)]


def must_be_restored(file: CheckpointFile) -> bool:
    """Return whether there is nothing in a file that weights-only loading could refuse."""
    values = file.value.values()
    return "args" not in file.value and not any(isinstance(v, torch.nn.Module) for v in values)


def check_restored(file: CheckpointFile) -> None:
    with folder() as place:
        _, target, _ = converted(file, place)
        back = place / "back.pth"
        try:
            report = converter.restore(target, back)
        except PlanError:
            assert not must_be_restored(file)
            return
        assert report.verification.identical
        found = torch.load(back, weights_only=True)
        assert live_difference(file.value, found) is None, live_difference(file.value, found)


@settings(max_examples=share(3))
@given(checkpoint_files(style="state_dict"))
def test_state_dict_is_restored(file: CheckpointFile) -> None:
    check_restored(file)


@settings(max_examples=share(3))
@given(checkpoint_files(style="bundle"))
def test_bundle_is_restored(file: CheckpointFile) -> None:
    check_restored(file)


@settings(max_examples=share(4))
@given(checkpoint_files(style="multi_model"))
def test_several_models_are_restored(file: CheckpointFile) -> None:
    check_restored(file)

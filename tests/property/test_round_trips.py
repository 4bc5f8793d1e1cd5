"""Whatever is saved in whatever way, its conversion holds the same bits under the same names."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from converter.strategies import CheckpointFile, checkpoint_files
from tests.support.round_trips import (
    check_damage_is_seen,
    check_round_trip,
    has_models,
)
from tests.support.shares import share

pytestmark = [pytest.mark.torch, pytest.mark.timeout(0)]


@settings(max_examples=share(1))
@given(checkpoint_files(style="state_dict"))
def test_state_dict(file: CheckpointFile) -> None:
    check_round_trip(file)


@settings(max_examples=share(1))
@given(checkpoint_files(style="module"))
def test_whole_model(file: CheckpointFile) -> None:
    check_round_trip(file)


@settings(max_examples=share(1))
@given(checkpoint_files(style="bundle"))
def test_bundle(file: CheckpointFile) -> None:
    assume(has_models(file))
    check_round_trip(file)


@settings(max_examples=share(1))
@given(checkpoint_files(style="multi_model"))
def test_several_models(file: CheckpointFile) -> None:
    assume(has_models(file))
    check_round_trip(file)


@settings(max_examples=share(3))
@given(checkpoint_files(style="state_dict"), st.integers(0, 2**20), st.integers(0, 7))
def test_one_changed_bit_is_seen(file: CheckpointFile, at: int, bit: int) -> None:
    check_damage_is_seen(file, at, bit)

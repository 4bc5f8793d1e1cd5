"""A converted file is a checkpoint like any other: it opens as what it was made from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

pytest.importorskip("torch")

import converter
from converter.checkpoint.equality import trees_equal
from converter.strategies import CheckpointFile, checkpoint_files
from tests.support.round_trips import (
    check_values,
    converted,
    held,
)
from tests.support.shares import share
from tests.support.temporary import folder

pytestmark = [pytest.mark.torch, pytest.mark.timeout(0)]


@settings(max_examples=share(3))
@given(checkpoint_files())
def test_conversion_of_a_conversion(file: CheckpointFile) -> None:
    with folder() as place:
        source, target, _ = converted(file, place)
        again = place / "again.safetensors"
        report = converter.convert(target, again)
        assert report.verification is not None
        assert report.verification.identical
        # The document names another source; tensors and aliases are the same.
        (tensors, metadata), (others, other_metadata) = held(target), held(again)
        assert others == tensors
        assert _aliases(other_metadata) == _aliases(metadata)
        before, after = converter.open(source), converter.open(again)
        try:
            assert trees_equal(before.opened.root, after.opened.root) is None
            assert [c.name for c in before.components] == [c.name for c in after.components]
            assert before.style == after.style
        finally:
            before.close()
            after.close()


def _aliases(metadata: dict[str, str]) -> dict[str, str]:
    return {name: kept for name, kept in metadata.items() if not name.startswith("depickle.")}


@settings(max_examples=share(2))
@given(checkpoint_files())
def test_values_come_back(file: CheckpointFile) -> None:
    check_values(file)

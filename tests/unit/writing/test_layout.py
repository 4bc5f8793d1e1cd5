"""Tests of the parts of a plan."""

from __future__ import annotations

import pytest

from converter.limits import DEFAULT_LIMITS, Limits
from converter.writing.options import WriteOptions
from converter.writing.plan import plan_output
from tests.unit.writing.made import checkpoint, floats


def test_sizes_count_every_file() -> None:
    made = checkpoint(model={"w": floats(3)}, ema={"w": floats(3)})
    plan = plan_output(
        made, WriteOptions(folder=True), Limits(max_embedded_document_bytes=1), document="{ }"
    )
    assert plan.nbytes == sum(len(file.header) + 12 for file in plan.files) + 3
    assert plan.files[0].entries[0].nbytes == 12


def test_aliases_cannot_be_changed() -> None:
    tied = floats()
    (file,) = plan_output(
        checkpoint(m={"a": tied, "b": tied}), WriteOptions(), DEFAULT_LIMITS
    ).files
    with pytest.raises(TypeError):
        file.aliases["x"] = "y"  # type: ignore[index]

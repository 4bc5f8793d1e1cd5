"""A name spelled almost like a known-safe one deceives."""

from __future__ import annotations

import pytest

from corpus.hostile_writer import PROTO2, STOP, named
from tests.support.risk_cases import severities

RULE = "lookalike-name"


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("torch._utilss", "_rebuild_tensor_v2", ["suspicious"]),
        ("collection", "OrderedDict", ["suspicious"]),
        ("mine.collections", "OrderedDict", []),
        ("torch.optim.adamw", "AdamW", []),
        ("torch._utils", "_rebuild_tensor_v9", []),
    ],
)
def test_one_letter_too_many(module: str, name: str, expected: list[str]) -> None:
    assert severities(RULE, PROTO2 + named(module, name) + STOP) == expected

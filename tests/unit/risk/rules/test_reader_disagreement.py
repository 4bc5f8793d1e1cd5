"""Spellings that unpicklers read differently are told."""

from __future__ import annotations

import pytest

from corpus.hostile_writer import (
    PROTO2,
    STOP,
)
from tests.support.risk_cases import severities

RULE = "reader-disagreement"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PROTO2 + b"I01\n" + STOP, []),
        (PROTO2 + b"I0_1\n" + STOP, ["suspicious"]),
    ],
)
def test_streams(data: bytes, expected: list[str]) -> None:
    assert severities(RULE, data) == expected

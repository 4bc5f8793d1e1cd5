"""The protocol is declared once, and first."""

from __future__ import annotations

import pytest

from corpus.hostile_writer import (
    CALM,
    EMPTY_DICT,
    NONE,
    PROTO2,
    PROTO4,
    STOP,
)
from tests.support.risk_cases import severities

RULE = "misplaced-proto"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (CALM, []),
        (PROTO2 + PROTO2 + EMPTY_DICT + STOP, ["suspicious"]),
        (NONE + PROTO4 + STOP, ["suspicious"]),
    ],
)
def test_streams(data: bytes, expected: list[str]) -> None:
    assert severities(RULE, data) == expected

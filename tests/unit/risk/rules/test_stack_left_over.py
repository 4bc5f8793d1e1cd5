"""Nothing but the root is left on the stack."""

from __future__ import annotations

import pytest

from corpus.hostile_writer import (
    CALM,
    EMPTY_DICT,
    MARK,
    NONE,
    PROTO2,
    STOP,
)
from tests.support.risk_cases import severities

RULE = "stack-left-over"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (CALM, []),
        (PROTO2 + NONE + EMPTY_DICT + STOP, ["suspicious"]),
        (PROTO2 + MARK + EMPTY_DICT + STOP, ["suspicious"]),
    ],
)
def test_streams(data: bytes, expected: list[str]) -> None:
    assert severities(RULE, data) == expected

"""Frames say where the stream goes on, or they are told."""

from __future__ import annotations

import pytest

from corpus.hostile_writer import (
    EMPTY_DICT,
    PAYLOAD,
    PROTO4,
    STOP,
    frame,
)
from tests.support.risk_cases import severities

RULE = "frame-mismatch"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PROTO4 + frame(EMPTY_DICT + STOP), []),
        (PROTO4 + b"\x95" + bytes([99]) + bytes(7) + PAYLOAD + STOP, ["suspicious"]),
        (PROTO4 + b"\x95" + bytes(8) + EMPTY_DICT + STOP, ["suspicious"]),
    ],
)
def test_streams(data: bytes, expected: list[str]) -> None:
    assert severities(RULE, data) == expected

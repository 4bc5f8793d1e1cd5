"""Extension codes stand for what only the loading process knows."""

from __future__ import annotations

from corpus.hostile_writer import EMPTY_TUPLE, PROTO2, REDUCE, STOP
from tests.support.risk_cases import severities

RULE = "extension-registry"


def test_called() -> None:
    data = PROTO2 + b"\x82\x01" + EMPTY_TUPLE + REDUCE + STOP
    assert severities(RULE, data) == ["dangerous", "suspicious"]


def test_as_a_value() -> None:
    assert severities(RULE, PROTO2 + b"\x83\x01\x02" + STOP) == ["suspicious"]

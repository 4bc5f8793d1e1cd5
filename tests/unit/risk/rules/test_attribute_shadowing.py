"""An attribute that hides a method misleads who calls it."""

from __future__ import annotations

from corpus.hostile_writer import (
    BUILD,
    EMPTY_DICT,
    EMPTY_TUPLE,
    PROTO2,
    REDUCE,
    SETITEM,
    STOP,
    named,
    text,
)
from tests.support.risk_cases import severities

RULE = "attribute-shadowing"


def built(key: str) -> bytes:
    made = named("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE
    return PROTO2 + made + EMPTY_DICT + text(key) + text("x") + SETITEM + BUILD + STOP


def test_methods_are_hidden() -> None:
    for key in ("items", "keys", "get"):
        assert severities(RULE, built(key)) == ["suspicious"]


def test_metadata_hides_nothing() -> None:
    assert severities(RULE, built("_metadata")) == []

"""Items are set on dicts, and appended to lists."""

from __future__ import annotations

from corpus.hostile_writer import (
    APPEND,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    NONE,
    PROTO2,
    REDUCE,
    SETITEM,
    STOP,
    named,
    storage,
    tensor,
    text,
)
from tests.support.risk_cases import severities

RULE = "item-assignment"


def test_on_a_module() -> None:
    data = PROTO2 + named("numpy", "x") + text("eval") + NONE + SETITEM + STOP
    assert severities(RULE, data) == ["dangerous"]


def test_on_a_tensor() -> None:
    data = PROTO2 + tensor(storage(), [4], [1]) + b"K\x00K\x01" + SETITEM + STOP
    assert severities(RULE, data) == ["suspicious"]


def test_appending_to_a_tuple() -> None:
    assert severities(RULE, PROTO2 + EMPTY_TUPLE + NONE + APPEND + STOP) == ["suspicious"]


def test_where_it_belongs() -> None:
    made = named("collections", "OrderedDict") + EMPTY_TUPLE + REDUCE
    for target in (EMPTY_DICT, made):
        assert severities(RULE, PROTO2 + target + text("a") + NONE + SETITEM + STOP) == []
    assert severities(RULE, PROTO2 + EMPTY_LIST + NONE + APPEND + STOP) == []

"""States name attributes, and no methods that Python calls by itself."""

from __future__ import annotations

import pytest

from corpus.hostile_evasions import EVASIONS
from corpus.hostile_writer import (
    BUILD,
    EMPTY_DICT,
    EMPTY_TUPLE,
    NEWOBJ,
    NONE,
    PROTO2,
    SETITEM,
    STOP,
    TUPLE2,
    call,
    named,
    text,
)
from tests.support.risk_cases import severities

RULE = "setstate-planting"


OBJECT = named("mine", "Net") + EMPTY_TUPLE + NEWOBJ


def state(key: str) -> bytes:
    return EMPTY_DICT + text(key) + text("x") + SETITEM


def test_special_attributes() -> None:
    assert severities(RULE, PROTO2 + OBJECT + state("__setstate__") + BUILD + STOP) == ["dangerous"]
    slots = NONE + state("__class__") + TUPLE2
    assert severities(RULE, PROTO2 + OBJECT + slots + BUILD + STOP) == ["dangerous"]


def test_what_only_describes() -> None:
    for key in ("weight", "__doc__", "_private", "__wrapped__"):
        assert severities(RULE, PROTO2 + OBJECT + state(key) + BUILD + STOP) == []


def test_two_states() -> None:
    data = PROTO2 + OBJECT + state("a") + BUILD + state("b") + BUILD + STOP
    assert severities(RULE, data) == ["suspicious"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ordered.pkl", "dangerous"),
        ("computed_state.pkl", "suspicious"),
        ("computed_key.pkl", "suspicious"),
        ("parameter.pt", "dangerous"),
    ],
)
def test_every_way_to_give_a_state(name: str, expected: str) -> None:
    assert severities(RULE, EVASIONS[f"setstate-planting/04_{name}"].make()) == [expected]


def test_a_state_of_somebodys_own_may_be_anything() -> None:
    made = call(named("builtins", "dict"), EMPTY_DICT)
    assert severities(RULE, PROTO2 + OBJECT + made + BUILD + STOP) == []

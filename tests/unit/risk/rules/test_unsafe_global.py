"""Names that are known to be dangerous are dangerous, called or not."""

from __future__ import annotations

from corpus.hostile_writer import (
    CALM,
    EMPTY_DICT,
    FIRE,
    PAYLOAD,
    POP,
    PROTO2,
    STOP,
    call,
    named,
    text,
)
from tests.support.risk_cases import said, severities

RULE = "unsafe-global"


def test_a_call_is_dangerous_and_has_its_place() -> None:
    (found,) = said(RULE, PROTO2 + PAYLOAD + STOP)
    assert found.severity == "dangerous"
    assert found.reach == "executable"
    assert (found.location.record, found.location.path) == (None, "root")
    assert found.location.offset == len(PROTO2 + PAYLOAD) - 1


def test_a_name_alone_is_imported() -> None:
    (found,) = said(RULE, PROTO2 + FIRE + STOP)
    assert (found.severity, found.reach) == ("dangerous", "latent")


def test_a_name_that_is_dropped_was_imported() -> None:
    assert severities(RULE, PROTO2 + FIRE + POP + EMPTY_DICT + STOP) == ["dangerous"]


def test_a_dunder_of_a_module_is_its_machinery() -> None:
    assert severities(RULE, PROTO2 + named("somewhere", "__builtins__") + STOP) == ["dangerous"]


def test_nothing_is_said_of_safe_names() -> None:
    made = call(named("collections", "Counter"), EMPTY_DICT)
    assert severities(RULE, PROTO2 + made + STOP) == []
    assert severities(RULE, CALM) == []


def test_repeated_names_are_one_finding() -> None:
    twice = call(FIRE, text("a")) + POP + call(FIRE, text("b"))
    (found,) = said(RULE, PROTO2 + twice + STOP)
    assert found.count == 2

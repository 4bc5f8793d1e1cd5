"""Persistent ids are what torch writes, or they are told."""

from __future__ import annotations

from corpus.hostile_evasions import EVASIONS
from corpus.hostile_writer import (
    BINPERSID,
    EMPTY_DICT,
    FIRE,
    PROTO2,
    STOP,
    call,
    named,
    storage,
    text,
)
from tests.support.risk_cases import severities

RULE = "persistent-id-call"


def test_storages_of_torch_are_fine() -> None:
    assert severities(RULE, PROTO2 + storage() + STOP) == []


def test_another_class() -> None:
    assert severities(RULE, PROTO2 + storage(class_=FIRE) + STOP) == ["suspicious"]
    assert severities(RULE, PROTO2 + storage(class_=named("torch", "Size")) + STOP) == [
        "suspicious"
    ]


def test_a_call_inside() -> None:
    made = call(named("builtins", "list"))
    assert severities(RULE, PROTO2 + storage(class_=made) + STOP) == ["suspicious"]


def test_the_class_of_a_module_may_be_a_nested_one() -> None:
    nested = call(named("__builtin__", "getattr"), named("mine", "Outer"), text("Inner"))
    made = call(named("mine", "make"), text("x"))
    rest = text("mine.py") + text("class Inner: ...") + b"t" + BINPERSID + STOP
    for before in (text("module"), b""):
        for class_, expected in ((nested, []), (made, ["suspicious"])):
            assert severities(RULE, PROTO2 + b"(" + before + class_ + rest) == expected
    assert severities(RULE, PROTO2 + storage(class_=nested) + STOP) == ["suspicious"]


def test_a_key_that_climbs() -> None:
    for key in ("../x", "a/b", "a\\b"):
        assert severities(RULE, PROTO2 + storage(key) + STOP) == ["suspicious"]


def test_a_form_of_nobody() -> None:
    assert severities(RULE, PROTO2 + b"(" + text("x") + b"t" + BINPERSID + STOP) == ["unknown"]


def test_a_name_as_id() -> None:
    assert severities(RULE, PROTO2 + named("mine", "x") + BINPERSID + STOP) == ["suspicious"]


def test_ids_of_no_writer() -> None:
    assert severities(RULE, EVASIONS["persistent-id-call/44_list.pt"].make()) == ["unknown"]
    assert severities(RULE, PROTO2 + EMPTY_DICT + BINPERSID + STOP) == ["unknown"]
    assert severities(RULE, b"Px\n.") == []
    assert severities(RULE, PROTO2 + b"K\x05" + BINPERSID + STOP) == []


def test_what_a_package_is_made_to_call() -> None:
    data = EVASIONS["persistent-id-call/44_package.pt"].make()
    assert severities(RULE, data) == ["dangerous"]
    assert severities(RULE, data.replace(b"depickle_tripwire", b"somebodys_modules")) == ["unknown"]

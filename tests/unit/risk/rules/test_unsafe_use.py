"""A known-safe name is safe in the uses of its row, and in no other."""

from __future__ import annotations

import pytest

from corpus.hostile_evasions import EVASIONS
from corpus.hostile_writer import BUILD, EMPTY_DICT, NONE, PROTO2, STOP, TUPLE1, call, named, text
from tests.support.risk_cases import severities

RULE = "unsafe-use"


def test_another_codec_is_no_way_to_write_bytes() -> None:
    for codec, expected in (("latin1", []), ("zip_codec", ["suspicious"])):
        made = call(named("_codecs", "encode"), text("x"), text(codec))
        assert severities(RULE, PROTO2 + made + STOP) == expected


def test_state_where_none_belongs() -> None:
    size = call(named("torch", "Size"), text("x"))
    assert severities(RULE, PROTO2 + size + EMPTY_DICT + BUILD + STOP) == ["suspicious"]


def test_classes_of_modules_are_not_called() -> None:
    made = call(named("torch.nn.modules.linear", "Linear"), text("x"))
    assert severities(RULE, PROTO2 + made + STOP) == ["suspicious"]


def test_type_is_for_singletons() -> None:
    assert severities(RULE, PROTO2 + call(named("builtins", "type"), NONE) + STOP) == []
    made = call(named("builtins", "type"), text("x"))
    assert severities(RULE, PROTO2 + made + STOP) == ["suspicious"]


def test_values_that_cost_more_than_they_weigh() -> None:
    huge = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")
    for name, argument in (
        (("builtins", "bytes"), huge),
        (("builtins", "range"), huge),
        (("fractions", "Fraction"), text("1e999999999")),
    ):
        assert severities(RULE, PROTO2 + call(named(*name), argument) + STOP) == ["suspicious"]
    assert severities(RULE, PROTO2 + call(named("fractions", "Fraction"), text("1/3")) + STOP) == []


def test_attributes_of_values() -> None:
    made = call(named("builtins", "getattr"), text("x"), text("join"))
    assert severities(RULE, PROTO2 + made + TUPLE1 + STOP) == ["suspicious"]


@pytest.mark.parametrize(
    "name", ["40_zeros.pkl", "40_range.pkl", "42_exponent.pkl", "45_enormous.pt"]
)
def test_much_of_little(name: str) -> None:
    assert severities(RULE, EVASIONS[f"unsafe-use/{name}"].make()) == ["suspicious"]

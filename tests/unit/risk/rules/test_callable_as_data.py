"""A callable that is handed over counts as called."""

from __future__ import annotations

from corpus.hostile_evasions import EVASIONS
from corpus.hostile_writer import EMPTY_TUPLE, FIRE, NONE, PROTO2, STOP, TUPLE1, call, named
from tests.support.risk_cases import said, severities

RULE = "callable-as-data"


def rebuilt(func: bytes) -> bytes:
    rebuild = named("torch._tensor", "_rebuild_from_type_v2")
    return PROTO2 + call(rebuild, func, named("torch", "Tensor"), EMPTY_TUPLE, NONE) + STOP


def test_what_rebuild_from_type_would_call() -> None:
    (found,) = said(RULE, rebuilt(FIRE))
    assert (found.severity, found.reach) == ("dangerous", "executable")
    assert severities(RULE, rebuilt(named("mine", "rebuild"))) == ["unknown"]
    assert severities(RULE, rebuilt(named("collections", "OrderedDict"))) == ["suspicious"]
    assert severities(RULE, rebuilt(named("torch._utils", "_rebuild_tensor_v2"))) == []


def test_factories() -> None:
    factory = named("collections", "defaultdict")
    assert severities(RULE, PROTO2 + call(factory, named("builtins", "list")) + STOP) == []
    assert severities(RULE, PROTO2 + call(factory, FIRE) + STOP) == ["dangerous"]


def test_a_function_of_torch_as_a_value() -> None:
    value = named("torch._utils", "_rebuild_tensor_v2") + TUPLE1
    assert severities(RULE, PROTO2 + value + STOP) == ["suspicious"]


def test_arguments_that_are_computed() -> None:
    data = EVASIONS["callable-as-data/47_computed_arguments.pkl"].make()
    assert severities(RULE, data) == ["suspicious"]

"""Elements that are pointers never come from bytes of the file."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from corpus.hostile_evasions import EVASIONS
from corpus.hostile_writer import BUILD, EMPTY_LIST, PROTO2, STOP, call, named, number, text
from tests.support.risk_cases import severities

RULE = "array-metadata"
RECORD = np.dtype([("a", "O"), ("b", "<f8", (2,)), ("c", [("d", "O")])])


def dtype(code: str) -> bytes:
    return call(named("numpy", "dtype"), text(code), b"\x89", b"\x88")


@pytest.mark.parametrize("name", ["raw_objects", "hidden_objects", "scalar", "buffer"])
def test_pointers_of_bytes(name: str) -> None:
    data = EVASIONS[f"array-metadata/72_{name}.pkl"].make()
    assert set(severities(RULE, data)) == {"dangerous"}


@pytest.mark.parametrize("code", ["O", "|O8", "object", "i4,O", "(2,)O", "i4, 2O"])
def test_every_spelling_of_objects(code: str) -> None:
    func = named("numpy._core.multiarray", "scalar")
    data = PROTO2 + call(func, dtype(code), text("x")) + STOP
    assert severities(RULE, data) == ["dangerous"]
    assert np.dtype(code).hasobject


@pytest.mark.parametrize("code", ["f8", "i4,f8", "V8", "U5", "M8[ns]"])
def test_other_elements(code: str) -> None:
    func = named("numpy._core.multiarray", "scalar")
    assert severities(RULE, PROTO2 + call(func, dtype(code), text("x")) + STOP) == []
    assert not np.dtype(code).hasobject


def test_a_state_that_is_computed() -> None:
    state = call(named("builtins", "tuple"), EMPTY_LIST + number(3) + b"a")
    assert severities(RULE, PROTO2 + dtype("V8") + state + BUILD + STOP) == ["dangerous"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [
        np.array([1, "a", None], dtype=object),
        np.zeros(3, RECORD),
        np.zeros(3, [("a", "<f8"), ("b", "S3")]),
        np.zeros((2, 2)),
        np.float64(1),
        RECORD,
        np.dtype(object),
        np.array(["a", "bc"]),
        np.array(["2020-01-01"], "M8[D]"),
    ],
    ids=repr,
)
def test_what_numpy_writes(value: object, protocol: int) -> None:
    assert severities(RULE, pickle.dumps(value, protocol)) == []

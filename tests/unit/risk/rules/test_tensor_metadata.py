"""A tensor lies inside its storage."""

from __future__ import annotations

import pytest

from corpus.hostile_evasions import EVASIONS
from corpus.hostile_writer import CALM, PROTO2, STOP, blob, call, named, storage, tensor
from tests.support.pickles import torch_zip
from tests.support.risk_cases import severities

RULE = "tensor-metadata"


@pytest.mark.parametrize(
    ("sizes", "strides", "offset", "expected"),
    [
        ([4], [1], 0, []),
        ([2, 2], [1, 2], 0, []),
        ([0], [1], 9, []),
        ([4], [0], 3, []),
        ([5], [1], 0, ["suspicious"]),
        ([4], [1], 1, ["suspicious"]),
        ([4], [-1], 3, ["suspicious"]),
        ([2, 2], [1], 0, ["suspicious"]),
        ([1 << 60], [0], 0, ["suspicious"]),
    ],
)
def test_where_a_tensor_lies(
    sizes: list[int], strides: list[int], offset: int, expected: list[str]
) -> None:
    data = PROTO2 + tensor(storage(), sizes, strides, offset) + STOP
    assert severities(RULE, data) == expected


def test_a_record_that_is_too_short() -> None:
    pickle = PROTO2 + tensor(storage(), [4], [1]) + STOP
    assert severities(RULE, torch_zip(pickle, {"0": bytes(16)})) == []
    assert severities(RULE, torch_zip(pickle, {"0": bytes(15)})) == ["unreadable"]


@pytest.mark.parametrize(
    "name",
    ["quantised", "subclass", "state", "computed", "range", "no_storage"],
)
def test_every_way_to_lay_a_tensor(name: str) -> None:
    assert severities(RULE, EVASIONS[f"tensor-metadata/45_{name}.pt"].make()) == ["suspicious"]


def test_a_tensor_in_bytes_of_its_own() -> None:
    stored = call(named("torch.storage", "_load_from_bytes"), blob(CALM))
    assert severities(RULE, PROTO2 + tensor(stored, [4], [1]) + STOP) == []

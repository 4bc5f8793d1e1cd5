"""The elements of an array of objects are a pickle."""

from __future__ import annotations

import io

import numpy as np

from corpus.hostile_writer import EVIL
from tests.support.risk_cases import scanned, severities

RULE = "object-array"


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_an_honest_one() -> None:
    data = saved(np.array([1, "a", None], dtype=object))
    assert severities(RULE, data, "a.npy") == ["note"]
    assert scanned(data, "a.npy").verdict == "safe"


def test_a_hostile_one() -> None:
    data = saved(np.array([None], dtype=object))
    start = data.index(b"\n") + 1
    assert scanned(data[:start] + EVIL, "a.npy").verdict == "dangerous"


def test_numbers() -> None:
    assert severities(RULE, saved(np.zeros(4)), "a.npy") == []

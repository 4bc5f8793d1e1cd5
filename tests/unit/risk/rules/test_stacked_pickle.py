"""A loader takes one pickle of a file; the others are told."""

from __future__ import annotations

from corpus.hostile_writer import CALM, EVIL
from tests.support.risk_cases import scanned, severities

RULE = "stacked-pickle"


def test_several_dumps_are_an_honest_habit() -> None:
    assert severities(RULE, CALM * 3, "a.pkl") == ["note", "note"]
    assert scanned(CALM * 3, "a.pkl").verdict == "safe"


def test_behind_something_else() -> None:
    for between in (bytes(4096), b"\xff" * 70_000):
        data = CALM + between + EVIL
        assert severities(RULE, data) == ["suspicious"]
        assert scanned(data).verdict == "dangerous"


def test_each_is_judged() -> None:
    assert scanned(CALM * 50 + EVIL).verdict == "dangerous"

"""BUILD belongs on what a call has made."""

from __future__ import annotations

from corpus.hostile_writer import BUILD, EMPTY_DICT, EMPTY_LIST, PROTO2, STOP, named, storage
from tests.support.risk_cases import said, severities

RULE = "build-on-object"


def test_on_a_name() -> None:
    (found,) = said(RULE, PROTO2 + named("numpy", "prod") + EMPTY_DICT + BUILD + STOP)
    assert (found.severity, found.evidence) == ("dangerous", "numpy.prod")


def test_on_a_list() -> None:
    assert severities(RULE, PROTO2 + EMPTY_LIST + EMPTY_DICT + BUILD + STOP) == ["suspicious"]


def test_on_a_persistent_id() -> None:
    assert severities(RULE, PROTO2 + storage() + EMPTY_DICT + BUILD + STOP) == ["suspicious"]

"""Picklers write each memo entry once, in order."""

from __future__ import annotations

from corpus.hostile_writer import EMPTY_DICT, MEMOIZE, POP, PROTO2, PROTO4, STOP
from tests.support.risk_cases import severities

RULE = "memo-tricks"


def test_entries_in_order() -> None:
    assert severities(RULE, PROTO2 + EMPTY_DICT + b"q\x00" + b"r\x01\0\0\0" + STOP) == []


def test_an_entry_written_twice() -> None:
    data = PROTO4 + EMPTY_DICT + MEMOIZE + POP + EMPTY_DICT + b"q\x00" + STOP
    assert severities(RULE, data) == ["suspicious"]


def test_an_entry_far_away() -> None:
    assert severities(RULE, PROTO2 + EMPTY_DICT + b"r\xff\xff\xff\xff" + STOP) == ["suspicious"]
    assert severities(RULE, EMPTY_DICT + b"p7000000\n" + STOP) == ["suspicious"]

"""Values that multiply are told before they are written out."""

from __future__ import annotations

from corpus.hostile_writer import APPEND, EMPTY_LIST, MARK, POP, PROTO2, STOP, text
from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "expansion"


def laughs(layers: int) -> bytes:
    made = EMPTY_LIST + text("lol") + APPEND
    for index in range(layers):
        entry = bytes([index])
        made += b"q" + entry + POP + EMPTY_LIST + MARK + (b"h" + entry) * 10 + b"e"
    return PROTO2 + made + STOP


def test_billion_laughs() -> None:
    assert severities(RULE, laughs(9)) == ["unreadable"]
    assert severities(RULE, laughs(4)) == []


def test_a_pickle_packed_a_thousandfold() -> None:
    members = honest_members()
    zeros = PROTO2 + b"B" + (1 << 22).to_bytes(4, "little") + bytes(1 << 22) + STOP
    members[0] = Member("r/data.pkl", zeros, deflate=True)
    assert severities(RULE, ZipBuilder(members).build()) == ["unreadable"]

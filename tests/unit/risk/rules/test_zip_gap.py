"""Between the records of torch nothing lies."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-gap"


def test_between() -> None:
    data = ZipBuilder([*honest_members(), Member("r/x", b"x", before=bytes(100))]).build()
    assert severities(RULE, data) == ["suspicious"]
    other = ZipBuilder([Member("a.txt", b"x"), Member("b.txt", b"x", before=bytes(9))]).build()
    assert severities(RULE, other) == []

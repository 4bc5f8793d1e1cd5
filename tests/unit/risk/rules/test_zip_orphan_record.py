"""Records that the directory does not list are told."""

from __future__ import annotations

from corpus.hostile_writer import EVIL
from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-orphan-record"


def test_unlisted() -> None:
    data = ZipBuilder([*honest_members(), Member("r/x.pkl", EVIL, listed=False)]).build()
    assert severities(RULE, data) == ["suspicious"]
    assert severities(RULE, ZipBuilder(honest_members()).build()) == []

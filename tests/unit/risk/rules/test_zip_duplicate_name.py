"""Two records of one name are two readings."""

from __future__ import annotations

from corpus.hostile_writer import EVIL
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-duplicate-name"


def test_both_are_judged() -> None:
    for members in (
        [Member("r/data.pkl", EVIL), *honest_members()],
        [*honest_members(), Member("r/data.pkl", EVIL)],
    ):
        data = ZipBuilder(members).build()
        assert severities(RULE, data) == ["suspicious"]
        assert scanned(data).verdict == "dangerous"


def test_one() -> None:
    assert severities(RULE, ZipBuilder(honest_members()).build()) == []

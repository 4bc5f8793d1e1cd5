"""torch looks names up without regard to case."""

from __future__ import annotations

from corpus.hostile_writer import EVIL
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-case-clash"


def test_both_are_judged() -> None:
    data = ZipBuilder([*honest_members(), Member("r/DATA.pkl", EVIL)]).build()
    assert severities(RULE, data) == ["suspicious"]
    assert scanned(data).verdict == "dangerous"

"""Records of torch lie in one folder."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-root"


def test_outside() -> None:
    members = [*honest_members(), Member("q/data.pkl", b"")]
    assert severities(RULE, ZipBuilder(members).build()) == ["suspicious", "suspicious"]


def test_other_archives_have_no_root() -> None:
    assert severities(RULE, ZipBuilder([Member("a.txt"), Member("b/c.txt")]).build()) == []

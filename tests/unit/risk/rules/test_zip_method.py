"""torch unpacks what is stored or deflated."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-method"


def archive(**changes: object) -> bytes:
    members = honest_members()
    members[0] = Member("r/data.pkl", members[0].payload, **changes)  # type: ignore[arg-type]
    return ZipBuilder(members).build()


def test_another_method() -> None:
    assert severities(RULE, archive(central={"method": 12}, local={"method": 12})) == ["suspicious"]


def test_deflated() -> None:
    assert severities(RULE, archive(deflate=True)) == []

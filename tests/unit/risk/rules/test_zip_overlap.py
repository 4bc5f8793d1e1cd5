"""No two records own the same bytes."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-overlap"


def test_shared() -> None:
    data = ZipBuilder([*honest_members(), Member("r/x", b"", central={"offset": 0})]).build()
    assert "suspicious" in severities(RULE, data)
    assert severities(RULE, ZipBuilder(honest_members()).build()) == []

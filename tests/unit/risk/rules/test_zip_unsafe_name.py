"""Names stay in their folder."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-unsafe-name"


def test_names() -> None:
    for name in ("r/../x", "/r/x", "r\\x", "r/\x07"):
        data = ZipBuilder([*honest_members(), Member(name, b"x")]).build()
        assert "suspicious" in severities(RULE, data), name
    assert severities(RULE, ZipBuilder(honest_members()).build()) == []

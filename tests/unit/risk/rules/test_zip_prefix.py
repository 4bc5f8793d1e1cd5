"""An archive begins with its first record."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import ZipBuilder, honest_members

RULE = "zip-prefix"


def test_something_before() -> None:
    data = ZipBuilder(honest_members(), prefix=b"\xff" * 40, shifted=True).build()
    assert severities(RULE, data) == ["suspicious"]
    assert severities(RULE, ZipBuilder(honest_members()).build()) == []

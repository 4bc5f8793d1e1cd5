"""The directory agrees with itself."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import ZipBuilder, honest_members

RULE = "zip-directory"


def test_another_count() -> None:
    data = ZipBuilder(honest_members(), end={"count": 9, "here": 9}).build()
    assert "suspicious" in severities(RULE, data)
    assert severities(RULE, ZipBuilder(honest_members()).build()) == []


def test_the_form_for_large_files() -> None:
    assert severities(RULE, ZipBuilder(honest_members(), zip64=True).build()) == []

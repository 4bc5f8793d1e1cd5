"""Checksums of pickles are computed, and not believed."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-crc"


def archive(**changes: object) -> bytes:
    members = honest_members()
    members[0] = Member("r/data.pkl", members[0].payload, **changes)  # type: ignore[arg-type]
    return ZipBuilder(members).build()


def test_wrong_ones() -> None:
    assert severities(RULE, archive(central={"crc": 1})) == ["suspicious", "suspicious"]
    assert severities(RULE, archive(central={"crc": 1}, local={"crc": 1})) == ["suspicious"]
    assert severities(RULE, archive(local={"crc": 1})) == ["suspicious"]


def test_none() -> None:
    assert severities(RULE, archive(central={"crc": 0}, local={"crc": 0})) == ["note"]
    assert severities(RULE, archive()) == []

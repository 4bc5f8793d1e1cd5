"""Local headers agree with the directory."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-local-header"


def archive(**changes: object) -> bytes:
    members = honest_members()
    members[0] = Member("r/data.pkl", members[0].payload, **changes)  # type: ignore[arg-type]
    return ZipBuilder(members).build()


def test_differences() -> None:
    assert severities(RULE, archive(local={"name": b"r/other.pkl"})) == ["suspicious"]
    assert severities(RULE, archive(local={"method": 8})) == ["suspicious"]
    assert severities(RULE, archive(local={"usize": 9})) == ["suspicious"]


def test_lengths_behind_the_record_are_honest() -> None:
    assert severities(RULE, archive(descriptor=b"")) == []
    assert severities(RULE, archive()) == []

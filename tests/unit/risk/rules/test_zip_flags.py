"""Flag bits keep no reader from seeing what is there."""

from __future__ import annotations

from corpus.hostile_writer import EVIL
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-flags"


def archive(central: int, local: int) -> bytes:
    members = honest_members()
    flags = {"central": {"flags": central}, "local": {"flags": local}}
    members[0] = Member("r/data.pkl", EVIL, **flags)  # type: ignore[arg-type]
    return ZipBuilder(members).build()


def test_a_payload_behind_a_flag_is_seen() -> None:
    for bit in (0x1, 0x20, 0x40, 0x2000):
        data = archive(bit, bit)
        assert "suspicious" in severities(RULE, data)
        assert scanned(data).verdict == "dangerous"


def test_a_flag_in_one_place() -> None:
    assert severities(RULE, archive(0, 1)) == ["suspicious"]
    assert severities(RULE, archive(0, 0)) == []

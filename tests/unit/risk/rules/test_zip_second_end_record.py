"""One end record says where the directory is."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import ZipBuilder, honest_members

RULE = "zip-second-end-record"


def test_two() -> None:
    data = ZipBuilder(honest_members(), comment=b"PK\x05\x06" + bytes(9)).build()
    assert "suspicious" in severities(RULE, data)


def test_a_comment() -> None:
    assert severities(RULE, ZipBuilder(honest_members(), comment=b"hello").build()) == ["note"]

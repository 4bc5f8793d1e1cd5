"""Archives in a row are each judged."""

from __future__ import annotations

from corpus.hostile_writer import EVIL
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "zip-concatenated"


def test_each_is_judged() -> None:
    calm = ZipBuilder(honest_members()).build()
    evil = ZipBuilder([Member("r/data.pkl", EVIL), Member("r/version", b"3\n")]).build()
    for data in (calm + evil, evil + calm, calm + evil + calm):
        assert "suspicious" in severities(RULE, data)
        assert scanned(data).verdict == "dangerous"


def test_shards_are_written_so() -> None:
    calm = ZipBuilder(honest_members()).build()
    assert set(severities(RULE, calm * 3, "__0_0.distcp")) == {"note"}
    assert scanned(calm * 3, "__0_0.distcp").verdict == "safe"
    assert scanned(calm * 3, "a.pt").verdict == "suspicious"

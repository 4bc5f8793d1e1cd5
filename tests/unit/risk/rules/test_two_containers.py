"""A file that is two kinds of file is judged as both."""

from __future__ import annotations

from corpus.hostile_writer import CALM, EVIL, PROTO2
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "two-containers"


def test_a_pickle_before_an_archive() -> None:
    archive = ZipBuilder(honest_members()).build()
    assert severities(RULE, EVIL + archive) == ["suspicious"]
    assert scanned(EVIL + archive).verdict == "dangerous"


def test_one_kind() -> None:
    assert severities(RULE, CALM) == []
    assert severities(RULE, ZipBuilder([Member("a/b", PROTO2)]).build()) == []

"""Archives inside archives are opened, and told."""

from __future__ import annotations

from converter.risk.scan_limits import ScanLimits
from corpus.hostile_writer import CALM, EVIL
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "archive-in-archive"


def wrapped(inner: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        inner = ZipBuilder([Member("inner.pt", inner)]).build()
    return inner


def test_levels_are_followed() -> None:
    assert severities(RULE, wrapped(wrapped(EVIL))) == ["note"]
    assert scanned(wrapped(EVIL, 3)).verdict == "dangerous"


def test_a_zip_of_checkpoints_is_fine() -> None:
    data = wrapped(ZipBuilder(honest_members()).build())
    assert severities(RULE, data) == ["note"]
    assert scanned(data).verdict == "safe"


def test_inside_a_checkpoint_it_hides() -> None:
    member = Member("r/more.zip", wrapped(CALM))
    assert severities(RULE, ZipBuilder([*honest_members(), member]).build()) == ["suspicious"]


def test_a_checkpoint_inside_a_checkpoint_hides_as_well() -> None:
    inner = ZipBuilder(honest_members()).build()
    data = ZipBuilder([*honest_members(), Member("r/data/9", inner)]).build()
    assert severities(RULE, data) == ["suspicious"]


def test_too_many_levels_cannot_be_told() -> None:
    report = scanned(wrapped(EVIL, 6), scan_limits=ScanLimits(max_levels=3))
    assert report.verdict == "unreadable"
    assert report.could_not_tell[0].limit == "max_levels"

"""A record that should hold none begins with a pickle."""

from __future__ import annotations

from corpus.hostile_writer import CALM, EVIL
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "hidden-pickle"


def archive(*members: Member) -> bytes:
    return ZipBuilder([*honest_members(), *members]).build()


def test_under_any_name() -> None:
    for name in ("r/extra.pkl", "r/notes.txt", "r/data/1", "r/.data/x"):
        data = archive(Member(name, EVIL))
        assert severities(RULE, data) == ["suspicious"]
        assert scanned(data).verdict == "dangerous"


def test_protocol_0_in_a_storage() -> None:
    assert severities(RULE, archive(Member("r/data/1", b"cmine\nthing\n."))) == ["suspicious"]


def test_what_stands_before_the_call_hides_nothing() -> None:
    long_text = b"B" + (200_000).to_bytes(4, "little") + bytes(200_000) + b"0"
    idle = b"N0" * 600_000
    for before in (long_text, idle):
        content = b"\x80\x03" + before + EVIL[2:]
        assert scanned(archive(Member("r/data/1", content))).verdict == "dangerous"
        assert scanned(CALM + b"\xff" + content, "a.pkl").verdict == "dangerous"


def test_numbers_are_no_pickle() -> None:
    for content in (
        bytes(1000),
        b"\x80\x02" + b"\x00" * 50,
        b"NNNN",
        b"cats\nand\n dogs\n",
        b"((((",
        b"\x82\x97.\x1c;\xa6" + bytes(8),  # an extension and STOP: one record in thirty thousand
        b"\x84v\x13>\x0c." + bytes(8),
    ):
        assert severities(RULE, archive(Member("r/data/1", content))) == []


def test_a_call_of_an_extension() -> None:
    assert severities(RULE, archive(Member("r/data/1", b"\x82\x97)R."))) == ["suspicious"]


def test_a_calm_pickle_of_another_name_is_told() -> None:
    assert severities(RULE, archive(Member("r/extra.pkl", CALM))) == ["suspicious"]

"""A name that promises another kind of file, where something hides by it."""

from __future__ import annotations

from corpus.hostile_writer import CALM, EVIL
from tests.support.risk_cases import severities

RULE = "wrong-extension"


def test_what_hides() -> None:
    for ending in ("safetensors", "jpg", "h5", "npy", "JSON"):
        assert severities(RULE, EVIL, f"a.{ending}") == ["suspicious"]


def test_what_hides_nothing() -> None:
    assert severities(RULE, CALM, "a.safetensors") == ["note"]
    for ending in ("pt", "pkl", "bin", "pth.tar", "model", ""):
        assert severities(RULE, EVIL, f"a.{ending}") == []


def test_an_archive_nobody_opens() -> None:
    assert severities(RULE, b"7z\xbc\xaf\x27\x1c" + bytes(40), "a.pt") == ["suspicious"]
    assert severities(RULE, b"7z\xbc\xaf\x27\x1c" + bytes(40), "a.7z") == []

"""Entries of tar archives are what every reader takes them for."""

from __future__ import annotations

from tests.support.risk_cases import scanned, severities
from tests.support.small_files import tar_file, tar_of

RULE = "tar-entry"


def test_two_of_one_name() -> None:
    one = tar_of({"a.txt": b"x"})[:1024]
    assert severities(RULE, one + tar_of({"a.txt": b"y"}), "a.tar") == ["suspicious"]


def test_names_that_climb() -> None:
    assert severities(RULE, tar_of({"../a": b"x"}), "a.tar") == ["suspicious"]


def test_the_oldest_layout_is_fine() -> None:
    assert severities(RULE, tar_file()) == []
    assert scanned(tar_file()).verdict == "safe"

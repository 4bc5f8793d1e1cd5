"""What could not be read is never clean."""

from __future__ import annotations

import pytest

from tests.support.risk_cases import scanned, severities

RULE = "unreadable-input"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        b"\x89HDF\r\n\x1a\n" + bytes(50),
        b"7z\xbc\xaf\x27\x1c" + bytes(50),
        b"\xff\xfe" * 40,
        b"PK\x03\x04" + bytes(60),
    ],
)
def test_it_is_told(data: bytes) -> None:
    assert severities(RULE, data, "a.x") == ["unreadable"]
    report = scanned(data, "a.x")
    assert report.verdict == "unreadable"
    assert report.could_not_tell


def test_texts_beside_checkpoints_are_what_they_say() -> None:
    assert scanned(b'{"a": 1}', "config.json").verdict == "safe"
    assert scanned(b'{"a": 1}', "config.pt").verdict == "unreadable"


def test_the_file_by_which_deepspeed_names_its_folder_is_text() -> None:
    assert scanned(b"global_step10", "run/latest").verdict == "safe"
    assert scanned(b"global_step10", "run/latest.pt").verdict == "unreadable"
    assert scanned(b"\x80\x02cos\nsystem\n)R.", "run/latest").verdict == "dangerous"

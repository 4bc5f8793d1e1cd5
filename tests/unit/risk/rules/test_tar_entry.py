"""Entries of tar archives are what every reader takes them for."""

from __future__ import annotations

import io
import tarfile

import pytest

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


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("b.txt", ["note"]),
        ("../b.txt", ["note", "suspicious"]),
        ("/etc/b.txt", ["note", "suspicious"]),
        ("a/" * 90 + "../b.txt", ["note", "suspicious"]),
    ],
)
def test_links_that_lead_outside(kind: bytes, form: int, target: str, expected: list[str]) -> None:
    if form == tarfile.USTAR_FORMAT and len(target) > 100:
        pytest.skip("longer than the format can say")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        entry = tarfile.TarInfo("a")
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
    assert sorted(severities(RULE, stream.getvalue(), "a.tar")) == expected

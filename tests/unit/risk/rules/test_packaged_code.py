"""Code that an archive brings along is somebody's code."""

from __future__ import annotations

from corpus.hostile_writer import CALM
from tests.support.risk_cases import scanned, severities
from tests.support.zip_builder import Member, ZipBuilder, honest_members

RULE = "packaged-code"


def package(*members: Member) -> bytes:
    base = [Member("r/.data/extern_modules", b""), Member("r/model/model.pkl", CALM)]
    return ZipBuilder([*base, *members]).build()


def test_modules_of_a_package() -> None:
    assert severities(RULE, package()) == []
    data = package(Member("r/mymodel.py", b"import os"))
    assert severities(RULE, data) == ["unknown"]
    assert scanned(data).verdict == "unknown"
    assert severities(RULE, package(Member("r/.data/ts_code/code/a.py", b""))) == []


def test_libraries() -> None:
    for name, content in (("r/data/model.so", b"x"), ("r/data/x", b"\x7fELF" + bytes(60))):
        data = ZipBuilder([*honest_members(), Member(name, content)]).build()
        assert severities(RULE, data) == ["unknown"]

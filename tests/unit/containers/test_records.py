"""Records are found exactly, and as torch finds them."""

from __future__ import annotations

import pytest

from converter.byteio.source import MemorySource
from converter.containers.records import Archive, BrokenSource, Record, ascii_folded
from converter.errors import ContainerError


def record(name: str, data: bytes = b"") -> Record:
    return Record(name, MemorySource(data, f"a!{name}"))


ARCHIVE = Archive("zip", (record("r/B", b"1"), record("r/b", b"22"), record("r/b"), record("r/Ä")))


def test_exact_lookup_gives_the_first() -> None:
    assert ARCHIVE.find("r/b") is ARCHIVE.records[1]
    assert ARCHIVE.find("R/b") is None


def test_folded_lookup_is_ascii_only() -> None:
    assert ARCHIVE.find_folded("R/B") is ARCHIVE.records[0]
    assert ARCHIVE.find_folded("R/Ä") is ARCHIVE.records[3]
    assert ARCHIVE.find_folded("r/ä") is None
    assert ARCHIVE.find_all("R/b") == ARCHIVE.records[:3]
    assert ascii_folded("ÀZ\N{KELVIN SIGN}") == "Àz\N{KELVIN SIGN}"


def test_record_knows_its_length_and_kind() -> None:
    assert ARCHIVE.records[1].nbytes == 2
    assert not ARCHIVE.records[1].is_folder
    assert record("r/").is_folder


def test_broken_source_always_says_why() -> None:
    source = BrokenSource("a!r", 10, ContainerError("it is broken"))
    assert source.nbytes == 10
    for offset, nbytes in ((0, 0), (0, 10), (50, 50)):
        with pytest.raises(ContainerError, match="it is broken"):
            source.read_at(offset, nbytes)
    with pytest.raises(ContainerError, match="it is broken"):
        source.read_into(0, memoryview(bytearray(3)))

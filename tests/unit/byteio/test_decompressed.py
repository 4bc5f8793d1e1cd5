"""What was packed comes out, within limits, wherever it is kept meanwhile."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import tempfile
import zlib
from typing import TYPE_CHECKING

import pytest

from converter.byteio.decompressed import KINDS, decompress, salvaged
from converter.byteio.local import FileSource
from converter.byteio.source import MemorySource
from converter.errors import ContainerError, LimitError, SourceError
from converter.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
SMALL = b"some bytes"
# Bytes that do not shrink, then bytes that do.
NOISE = b"".join(hashlib.sha256(bytes([a, b])).digest() for a in range(40) for b in range(256))
LARGE = NOISE + bytes(1_000_000)


def unpack(data: bytes, kind: str, limits: Limits | None = None) -> tuple[bytes, int]:
    found = decompress(MemorySource(data, "a"), kind, limits or Limits())
    return found.data.read_at(0, found.data.nbytes), found.trailing_nbytes


def test_every_kind_is_tested() -> None:
    assert set(PACKERS) == KINDS


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_round_trip(kind: str, data: bytes) -> None:
    assert unpack(PACKERS[kind](data), kind) == (data, 0)


@pytest.mark.parametrize("kind", PACKERS)
def test_large_content_lies_in_a_file_without_a_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = decompress(MemorySource(PACKERS[kind](LARGE), "a"), kind, Limits()).data
    assert isinstance(found, FileSource)
    assert found.name == f"a!{kind}"
    assert list(tmp_path.iterdir()) == []
    extent = found.extent()
    assert extent.nbytes == len(LARGE)
    found.close()


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_streams_in_a_row_are_one(kind: str) -> None:
    pack = PACKERS[kind]
    assert unpack(pack(SMALL) + pack(b"") + pack(LARGE), kind) == (SMALL + LARGE, 0)


@pytest.mark.parametrize("kind", ["gzip", "xz"])
def test_zeros_between_and_behind_streams(kind: str) -> None:
    pack = PACKERS[kind]
    assert unpack(pack(SMALL) + bytes(8) + pack(SMALL), kind) == (2 * SMALL, 0)
    assert unpack(pack(SMALL) + bytes(300_000) + pack(SMALL), kind) == (2 * SMALL, 0)
    assert unpack(pack(SMALL) + bytes(8), kind)[0] == SMALL


@pytest.mark.parametrize("kind", PACKERS)
def test_bytes_behind_are_counted(kind: str) -> None:
    for size in (1, 10, 400_000):
        assert unpack(PACKERS[kind](SMALL) + b"x" * size, kind) == (SMALL, size)


@pytest.mark.parametrize("kind", PACKERS)
def test_truncated(kind: str) -> None:
    packed = PACKERS[kind](LARGE)
    for stop in (len(packed) - 1, len(packed) // 2, 20):
        with pytest.raises(ContainerError, match=f"the end of the {kind} stream") as caught:
            unpack(packed[:stop], kind)
        assert caught.value.code == "compressed_truncated"


@pytest.mark.parametrize("kind", PACKERS)
def test_damaged(kind: str) -> None:
    header_nbytes = {"gzip": 10, "zlib": 2}.get(kind, 4)
    packed = PACKERS[kind](SMALL)
    with pytest.raises(ContainerError) as caught:
        unpack(packed[:header_nbytes] + b"\xff" * 60, kind)
    assert caught.value.code == "compressed_damaged"


@pytest.mark.parametrize("kind", PACKERS)
def test_growth_is_limited(kind: str) -> None:
    packed = PACKERS[kind](LARGE)
    with pytest.raises(LimitError, match="max_decompressed_bytes"):
        unpack(packed, kind, Limits(max_decompressed_bytes=100_000))
    zeros = PACKERS[kind](bytes(1_000_000))
    with pytest.raises(LimitError, match="max_decompress_ratio"):
        unpack(zeros, kind, Limits(max_small_record_bytes=10_000, max_decompress_ratio=50))
    assert unpack(zeros, kind, Limits(max_decompress_ratio=50))[0] == bytes(1_000_000)


def test_disk_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    with pytest.raises(SourceError, match="cannot unpack to a temporary file: a!gzip"):
        unpack(gzip.compress(LARGE), "gzip")


@pytest.mark.parametrize("kind", PACKERS)
def test_what_stands_before_the_damage_is_salvaged(kind: str) -> None:
    packed = PACKERS[kind](SMALL)
    for damaged in (packed[:-1], packed[:-1] + bytes([packed[-1] ^ 0xFF])):
        found = salvaged(MemorySource(damaged, "x"), kind)
        assert SMALL.startswith(found)
    assert salvaged(MemorySource(packed, "x"), kind) == SMALL
    assert salvaged(MemorySource(b"no stream", "x"), kind) == b""


@pytest.mark.parametrize("kind", PACKERS)
def test_little_is_salvaged_of_much(kind: str) -> None:
    found = salvaged(MemorySource(PACKERS[kind](bytes(1 << 23)), "x"), kind)
    assert found == bytes(len(found))
    assert len(found) <= 1 << 20

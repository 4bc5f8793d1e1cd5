"""Our zip reader and CPython's, on the same archives: names, lengths, offsets and bytes."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.local import FileSource
from converter.byteio.source import ByteSource, MemorySource
from converter.containers.records import Archive
from converter.containers.zip_archive import check_crc, read_zip

NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\/:"), min_size=1)
    .map(lambda name: f"root/{name.strip('. ')}x"),
    unique_by=str.casefold,
    min_size=1,
    max_size=5,
)  # fmt: skip


class Unseekable(io.BytesIO):
    """A stream to which zipfile must write data descriptors."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def payload_start(stream: IO[bytes], info: zipfile.ZipInfo) -> int:
    stream.seek(info.header_offset + 26)
    name_nbytes, extra_nbytes = struct.unpack("<HH", stream.read(4))
    return info.header_offset + 30 + int(name_nbytes) + int(extra_nbytes)


def compare(source: ByteSource, stream: IO[bytes]) -> Archive:
    """Assert that both readers see the same, and return what ours saw."""
    archive = read_zip(source)
    with zipfile.ZipFile(stream) as reference:
        infos = reference.infolist()
        assert [record.name for record in archive.records] == [info.filename for info in infos]
        for record, info in zip(archive.records, infos, strict=True):
            assert record.nbytes == info.file_size
            assert record.stored_nbytes == info.compress_size
            assert record.header_offset == info.header_offset
            assert record.offset == payload_start(stream, info)
            assert record.crc32 in {None, info.CRC}
            assert record.compressed == (info.compress_type == zipfile.ZIP_DEFLATED)
            if record.crc32 is None:  # zipfile refuses what was written without checksums
                content = source.read_at(record.offset, record.nbytes)
            else:
                content = reference.read(info)
                assert check_crc(record) is None
            assert record.data.read_at(0, record.nbytes) == content
    return archive


@given(
    NAMES,
    st.lists(st.binary(max_size=2_000), min_size=5, max_size=5),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.booleans(),
    st.booleans(),
)
def test_archives_by_zipfile(
    names: list[str],
    contents: list[bytes],
    method: int,
    streamed: bool,  # noqa: FBT001 - drawn by Hypothesis
    zip64: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    stream = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in zip(names, contents, strict=False):
            with archive.open(name, "w", force_zip64=zip64) as record:
                record.write(content)
    data = stream.getvalue()
    assert compare(MemorySource(data, "a.zip"), io.BytesIO(data)).anomalies == ()


@pytest.mark.torch
@pytest.mark.parametrize("count", [0, 1, 300])
def test_archives_by_torch(tmp_path: Path, count: int) -> None:
    import torch

    path = tmp_path / "model.v1.pt"
    tensors = {f"layer.{n}.weight": torch.arange(n, dtype=torch.float32) for n in range(count)}
    torch.save(tensors, path)
    with FileSource(path) as source, path.open("rb") as stream:
        archive = compare(source, stream)
        assert archive.anomalies == ()
        found = archive.find("model.v1/data.pkl")
        assert found is not None
        assert found.offset is not None
        assert found.offset % 64 == 0
        extent = archive.records[0].data.extent()
        assert extent is not None
        assert extent.offset == archive.records[0].offset
        if count > 1:
            storage = archive.find_folded("MODEL.v1/DATA/1")
            assert storage is not None
            assert storage.data.read_at(0, 4) == struct.pack("<f", 0)


@pytest.mark.samples
def test_archives_of_many_releases(samples: Path) -> None:
    seen = 0
    for path in sorted(samples.rglob("*")):
        if not path.is_file():
            continue
        with FileSource(path) as source, path.open("rb") as stream:
            if stream.read(4) != b"PK\x03\x04":
                continue
            archive = compare(source, stream)
            expected = set()
            if path.suffix == ".distcp":  # several whole archives, one behind the other
                expected = {"zip_prefix", "zip_concatenated", "zip_orphan_record"}
            assert {anomaly.code for anomaly in archive.anomalies} == expected, path
            seen += 1
    assert seen > 0


def test_archive_beyond_four_gigabytes(tmp_path: Path) -> None:
    """A sparse file as torch would write it: a record of 5 GiB, and a small one behind it."""
    nbytes = 5 << 30
    path = tmp_path / "large.pt"
    with path.open("wb") as stream:
        wide = struct.pack("<HHQQ", 1, 16, nbytes, 0)
        stream.write(struct.pack("<4s5H3L2H", b"PK\x03\x04", 0, 0x808, 0, 0, 0, 0, 0, 0, 8, 20))
        stream.write(b"r/data/0" + wide)
        start = stream.tell()
        try:
            stream.truncate(start + nbytes)
        except OSError:
            pytest.skip("the file system holds no such file")
        stream.seek(start + nbytes - 4)
        stream.write(b"last" + struct.pack("<4sLQQ", b"PK\x07\x08", 7, nbytes, nbytes))
        second = stream.tell()
        where = struct.pack("<HHQ", 1, 8, second)
        stream.write(struct.pack("<4s5H3L2H", b"PK\x03\x04", 0, 0x808, 0, 0, 0, 0, 0, 0, 8, 12))
        stream.write(b"r/data/1" + where + b"tail")
        stream.write(struct.pack("<4sLQQ", b"PK\x07\x08", 9, 4, 4))
        directory = stream.tell()
        ones = 0xFFFF_FFFF
        central = struct.Struct("<4s6H3L5H2L")
        for name, crc, sizes, offset, extra in (
            (b"r/data/0", 7, ones, 0, struct.pack("<HHQQ", 1, 16, nbytes, nbytes)),
            (b"r/data/1", 9, 4, ones, where),
        ):
            stream.write(
                central.pack(
                    b"PK\x01\x02", 0, 0, 0x808, 0, 0, 0, crc, sizes, sizes, len(name),
                    len(extra), 0, 0, 0, 0, offset,
                )
                + name
                + extra
            )  # fmt: skip
        end = stream.tell()
        fields = (44, 798, 45, 0, 0, 2, 2, end - directory, directory)
        stream.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", *fields))
        stream.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1))
        stream.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, end - directory, ones, 0))
    if path.stat().st_blocks * 512 > 1 << 24:
        pytest.skip("the file system has no sparse files")
    with FileSource(path) as source, zipfile.ZipFile(path) as reference:
        archive = read_zip(source)
        assert archive.anomalies == ()
        first, last = archive.records
        assert [record.nbytes for record in archive.records] == [nbytes, 4]
        infos = reference.infolist()
        assert [info.file_size for info in infos] == [nbytes, 4]
        assert [info.header_offset for info in infos] == [0, last.header_offset]
        assert first.data.read_at(nbytes - 5, 5) == b"\0last"
        assert last.data.read_at(0, 4) == b"tail"

"""Regular files are listed with their bytes; everything odd is noted."""

from __future__ import annotations

import io
import tarfile

import pytest

from converter.byteio.source import MemorySource
from converter.containers.records import Archive
from converter.containers.tar_archive import find_last, read_tar
from converter.errors import ContainerError, LimitError, UnsupportedError
from converter.limits import Limits
from tests.support.small_files import tar_of


def read(data: bytes, limits: Limits | None = None) -> Archive:
    return read_tar(MemorySource(data, "a.tar"), limits or Limits())


def codes(archive: Archive) -> set[str]:
    return {anomaly.code for anomaly in archive.anomalies}


def entry(name: str, kind: bytes = tarfile.REGTYPE, **facts: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for key, value in facts.items():
        setattr(made, key, value)
    return made


def tar(*entries: tuple[tarfile.TarInfo, bytes], layout: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=layout) as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def test_plain_files() -> None:
    archive = read(tar_of({"a": b"1", "b/c": b"", "d": b"x" * 513}))
    assert archive.kind == "tar"
    assert [(record.name, record.nbytes) for record in archive.records] == [
        ("a", 1),
        ("b/c", 0),
        ("d", 513),
    ]
    assert archive.records[2].data.read_at(511, 2) == b"xx"
    assert archive.records[0].data.name == "a.tar!a"
    assert (archive.records[0].header_offset, archive.records[0].offset) == (0, 512)
    assert archive.anomalies == ()


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(layout: int) -> None:
    name = "d" * 90 + "/" + "f" * 90
    archive = read(tar((entry(name), b"12"), (entry("after"), b"3"), layout=layout))
    assert [record.name for record in archive.records] == [name, "after"]
    assert archive.anomalies == ()


def test_folders_are_left_out_and_other_entries_named() -> None:
    kinds = [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    others = [(entry(f"e{kind!r}", kind), b"") for kind in kinds]
    archive = read(tar((entry("dir", tarfile.DIRTYPE), b""), *others, (entry("f"), b"1")))
    assert [record.name for record in archive.records] == ["f"]
    assert [item.code for item in archive.anomalies] == ["tar_entry_ignored"] * 5


def test_sparse_and_unknown_types_cannot_be_read() -> None:
    archive = read(tar((entry("s", tarfile.GNUTYPE_SPARSE), b""), (entry("u", b"Z"), b"1")))
    assert codes(archive) == {"tar_entry_unreadable"}
    for record in archive.records:
        with pytest.raises(UnsupportedError, match="tar entry is no plain file"):
            record.data.read_at(0, 0)


def test_sparse_file_of_the_pax_forms() -> None:
    sparse = entry("s", pax_headers={"GNU.sparse.major": "1"})
    archive = read(tar((sparse, b"1"), layout=tarfile.PAX_FORMAT))
    assert isinstance(archive.records[0].problem, UnsupportedError)


def test_pax_global_headers_hold_for_every_entry() -> None:
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"GNU.sparse.name": "x"}
    ) as archive:
        archive.addfile(entry("a"))
    assert read(stream.getvalue()).records[0].problem is not None


def test_equal_names_are_noted_and_the_last_counts() -> None:
    archive = read(tar((entry("a"), b"1"), (entry("a"), b"22"), (entry("A"), b"333")))
    assert codes(archive) == {"tar_duplicate_name"}
    found = find_last(archive, "a")
    assert found is not None
    assert found.nbytes == 2
    assert find_last(archive, "b") is None


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a\\b", "c:x", "a\x01b"])
def test_unsafe_names_are_noted(name: str) -> None:
    archive = read(tar((entry(name), b"1"), layout=tarfile.PAX_FORMAT))
    assert codes(archive) == {"tar_unsafe_name"}
    assert archive.records[0].name == name


def test_name_that_is_no_text() -> None:
    data = bytearray(tar((entry("ab"), b"1")))
    data[1:2] = b"\xff"
    data[148:156] = f"{int(data[148:154], 8) + 0xFF - ord('b'):06o}".encode() + b"\0 "
    assert read(bytes(data)).records[0].name == r"a\xff"


def test_truncated_content() -> None:
    data = tar((entry("a"), b"x" * 600))[: 512 + 599]
    record = read(data).records[0]
    with pytest.raises(
        ContainerError, match=r"a.tar, a, offset 512: expected 600 bytes, found 599, 1"
    ):
        record.data.read_at(0, 1)


def test_end_is_missing() -> None:
    assert codes(read(tar((entry("a"), b"x"))[:1024])) == {"tar_end_missing"}


def test_bytes_after_the_end() -> None:
    data = tar_of({"a": b"1"})
    assert codes(read(data + bytes(600))) == set()
    assert codes(read(data + bytes(600) + b"x")) == {"tar_trailing_bytes"}


def test_damaged_header_ends_the_list() -> None:
    data = bytearray(tar((entry("a"), b"1"), (entry("b"), b"1")))
    data[1024] ^= 1
    archive = read(bytes(data))
    assert [record.name for record in archive.records] == ["a"]
    assert codes(archive) == {"tar_header_damaged"}
    with pytest.raises(ContainerError, match="tar header is damaged"):
        read(bytes(data[1024:]))


def test_checksum_of_signed_bytes() -> None:
    data = bytearray(tar((entry("a"), b"1")))
    data[300] = 200
    data[148:156] = f"{int(data[148:154], 8) + 200 - 256:06o}".encode() + b"\0 "
    assert len(read(bytes(data)).records) == 1


def test_base_256_length() -> None:
    data = bytearray(tar((entry("a"), b"123")))
    before = sum(data[124:136])
    data[124:136] = b"\x80" + (3).to_bytes(11, "big")
    checksum = int(data[148:154], 8) + sum(data[124:136]) - before
    data[148:156] = f"{checksum:06o}".encode() + b"\0 "
    assert read(bytes(data)).records[0].nbytes == 3


def test_length_of_a_pax_record() -> None:
    data = tar((entry("a", pax_headers={"size": "2"}), b"1234"), layout=tarfile.PAX_FORMAT)
    assert read(data).records[0].nbytes == 2


@pytest.mark.parametrize("record", [b"nonsense\n", b"9999 path=a\n", b"11 path=abc", b"5 a=\n"])
def test_damaged_pax_records(record: bytes) -> None:
    body = record.ljust(512, b"\0")
    header = entry("x", tarfile.XHDTYPE, size=len(record)).tobuf(tarfile.USTAR_FORMAT)
    archive = read(header + body + tar((entry("a"), b"1")))
    damaged = record != b"5 a=\n"
    assert ("tar_pax_damaged" in codes(archive)) is damaged
    assert [found.name for found in archive.records] == ["a"]


def test_limits() -> None:
    data = tar((entry("a"), b"1"), (entry("b"), b"1"))
    with pytest.raises(LimitError, match="max_records"):
        read(data, Limits(max_records=1))
    long = tar((entry("n" * 200), b"1"), layout=tarfile.GNU_FORMAT)
    with pytest.raises(LimitError, match="max_small_record_bytes"):
        read(long, Limits(max_small_record_bytes=100))
    with pytest.raises(LimitError, match="max_record_name_bytes"):
        read(long, Limits(max_record_name_bytes=100))

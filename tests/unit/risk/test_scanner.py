"""Files and folders: sorted, without loops, and never clean by accident."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from converter.byteio.local import FileSource
from converter.byteio.source import MemorySource
from converter.risk import scanner
from converter.risk.scan_limits import ScanLimits
from converter.risk.scanner import iter_files, scan_file, scan_paths, scan_source
from corpus.hostile_writer import CALM, EVIL
from tests.support.pickles import torch_zip
from tests.support.zip_builder import Member, ZipBuilder


def test_a_folder_is_walked_in_order_and_once(tmp_path: Path) -> None:
    for name in ("b/2.pt", "a/1.pt", "3.pt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CALM)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "4.pt").symlink_to(tmp_path / "3.pt")
    found = [os.path.relpath(path, tmp_path) for path in iter_files([tmp_path])]
    assert found == ["3.pt", "4.pt", "a/1.pt", "b/2.pt"]


def test_whatever_is_in_a_folder_gets_a_report(tmp_path: Path) -> None:
    (tmp_path / "evil.pt").write_bytes(EVIL)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tmp_path, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{folder}/sock")
        finally:
            os.close(folder)
        verdicts = {Path(one.name).name: one.verdict for one in scan_paths([tmp_path])}
    assert verdicts == {
        "evil.pt": "dangerous",
        "link": "unreadable",
        "pipe": "unreadable",
        "sock": "unreadable",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(CALM)
    path.chmod(0)
    assert scan_file(path).verdict == "unreadable"


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (report,) = scan_paths([tmp_path / "a.pt"])
    assert report.verdict == "unreadable"


def test_a_fault_of_ours_is_never_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(CALM)
    for fault in (RuntimeError("boom"), MemoryError(), RecursionError()):

        def fail(*_: object, error: BaseException = fault, **__: object) -> None:
            raise error

        monkeypatch.setattr(scanner, "scan_source", fail)
        report = scan_file(path)
        assert report.verdict == "unreadable"
        assert report.could_not_tell


def test_findings_are_ordered_and_placed() -> None:
    report = scan_source(MemorySource(torch_zip(EVIL + b"junk", {}), "a.pt"))
    ranks = [found.severity.verdict.rank for found in report.findings]
    assert ranks == sorted(ranks, reverse=True)
    assert all(found.location.offset >= 0 for found in report.findings)
    assert report.findings[0].location.record == "archive/data.pkl"


def test_tensors_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.pt"
    nbytes = 10 << 30
    write_sparse_checkpoint(path, nbytes)
    read = 0
    honest = FileSource._pread  # noqa: SLF001 - the one place where files are read

    def counted(self: FileSource, offset: int, count: int) -> bytes:
        nonlocal read
        read += count
        return honest(self, offset, count)

    monkeypatch.setattr(FileSource, "_pread", counted)
    report = scan_file(path)
    assert report.verdict == "safe"
    assert report.nbytes > nbytes
    assert read < 1 << 20


def write_sparse_checkpoint(path: Path, nbytes: int) -> None:
    """Write what torch.save would for one storage of zeros, with a hole in their place."""
    from tests.support.pickles import text

    pid = b"(" + text("storage") + b"ctorch\nByteStorage\n" + text("0") + text("cpu")
    pid += b"\x8a\x05" + nbytes.to_bytes(5, "little") + b"tQ"
    members = [
        Member("r/data.pkl", b"\x80\x02" + pid + b"."),
        Member("r/version", b"3\n"),
    ]
    hole = Member("r/data/0", b"", central={"csize": 0xFFFFFFFF, "usize": 0xFFFFFFFF, "crc": 0})
    sizes = nbytes.to_bytes(8, "little") * 2
    hole.central["extra"] = b"\x01\x00\x10\x00" + sizes
    hole.local = {**hole.central}
    whole = ZipBuilder([*members, hole]).build()
    data = whole.rindex(b"r/data/0", 0, whole.index(b"PK\x01\x02")) + len("r/data/0") + 20
    directory = whole[data:]
    end = directory.rindex(b"PK\x05\x06")
    start = (data + nbytes).to_bytes(8, "little")
    count = (3).to_bytes(8, "little")
    length = end.to_bytes(8, "little")
    end64 = b"PK\x06\x06" + (44).to_bytes(8, "little") + b"\x2d\0\x2d\0" + bytes(8)
    end64 += count + count + length + start
    locator = b"PK\x06\x07" + bytes(4) + (data + nbytes + end).to_bytes(8, "little")
    locator += (1).to_bytes(4, "little")
    last = b"PK\x05\x06" + bytes(4) + b"\x03\0\x03\0" + b"\xff" * 8 + b"\0\0"
    with path.open("wb") as file:
        file.write(whole[:data])
        file.seek(data + nbytes)
        file.write(directory[:end] + end64 + locator + last)


def test_a_record_that_cannot_be_unpacked_hides_none_that_follow() -> None:
    method = {"method": 8}
    damaged = Member("r/a.txt", b"\xff\xff\xff", local=method, central={**method, "usize": 99})
    members = [damaged, Member("r/data.pkl", EVIL), Member("r/version", b"3\n")]
    report = scan_source(MemorySource(ZipBuilder(members).build(), "a.pt"))
    assert report.verdict == "dangerous"
    assert [str(one.location.record) for one in report.could_not_tell] == ["r/a.txt"]


def test_code_that_is_too_long_to_read_is_not_called_safe() -> None:
    members = [
        Member("r/data.pkl", CALM),
        Member("r/code/__torch__.py", b"# long\n" * 100),
        Member("r/constants.pkl", CALM),
        Member("r/version", b"3\n"),
    ]
    source = MemorySource(ZipBuilder(members).build(), "a.pt")
    assert scan_source(source).verdict == "safe"
    report = scan_source(source, scan_limits=ScanLimits(max_code_bytes=50))
    assert report.verdict == "unreadable"
    assert report.could_not_tell[0].limit == "max_code_bytes"

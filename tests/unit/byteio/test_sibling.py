"""A file that another one names is opened only inside its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from converter.byteio.sibling import open_sibling
from converter.errors import SourceError, SourceNotFoundError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "shard-1").write_bytes(b"one")
    (folder / "sub" / "shard-2").write_bytes(b"two")
    (folder / "..shard").write_bytes(b"dots")
    (folder / "link").symlink_to("../secret")
    (folder / "inner").symlink_to("shard-1")
    (folder / "away").symlink_to("../outside")
    return folder


@pytest.mark.parametrize(
    ("name", "content"), [("shard-1", b"one"), ("sub/shard-2", b"two"), ("..shard", b"dots")]
)
def test_plain_names_are_opened(folder: Path, name: str, content: bytes) -> None:
    with open_sibling(folder, name) as source:
        assert source.read_at(0, source.nbytes) == content
        assert source.name == str(folder / name)
    with open_sibling(str(folder), name) as source:
        assert source.nbytes == len(content)


@pytest.mark.parametrize("name", [
    "", ".", "..", "/etc/passwd", "../secret", "sub/../../secret", "sub//shard-2", "./shard-1",
    "sub/", "C:secret", "C:/secret", "c:\\secret", "..\\secret", "\\\\host\\share\\x", "a\0b",
    ".../x", ".. /secret", " ", "shard-1:stream", "//host/share", "/".join(["sub"] * 100),
])  # fmt: skip
def test_names_that_could_leave_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(SourceError, match="leads out of its folder"):
        open_sibling(folder, name)


@pytest.mark.parametrize("name", ["link", "inner", "away/secret"])
def test_links_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(SourceError, match="is a symbolic link") as caught:
        open_sibling(folder, name)
    assert caught.value.code == "symbolic_link"


def test_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    with open_sibling(tmp_path / "alias", "shard-1") as source:
        assert source.nbytes == 3


@pytest.mark.parametrize("name", ["none", "sub/none", "none/x", "shard-1/x"])
def test_missing(folder: Path, name: str) -> None:
    with pytest.raises(SourceNotFoundError):
        open_sibling(folder, name)


def test_only_regular_files(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    for name in ("fifo", "sub"):
        with pytest.raises(SourceError, match="not a regular file"):
            open_sibling(folder, name)


def test_name_that_the_system_cannot_encode(folder: Path) -> None:
    with pytest.raises(SourceError):
        open_sibling(folder, "\ud800")


def test_no_descriptor_is_leaked(folder: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("link", "sub", "none", "sub/none", "../x"):
        with pytest.raises(SourceError):
            open_sibling(folder, name)
    open_sibling(folder, "sub/shard-2").close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before

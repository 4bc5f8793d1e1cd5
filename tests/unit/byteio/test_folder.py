"""A folder as a source: only regular files below it, all closed and compared together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from converter.byteio.folder import FolderSource
from converter.errors import LimitError, SourceError, SourceNotFoundError
from converter.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from pathlib import Path


def test_files_are_opened_once_and_counted(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a.bin").write_bytes(b"abc")
    (tmp_path / "below" / "b.bin").write_bytes(b"defgh")
    with FolderSource(tmp_path) as folder:
        assert folder.nbytes == 0
        first = folder.open_file("a.bin")
        assert folder.open_file("a.bin") is first
        assert folder.open_file("below/b.bin").read_at(1, 3) == b"efg"
        assert folder.nbytes == 8
        assert sorted(folder.files) == ["a.bin", "below/b.bin"]
        folder.check_unchanged()
    with pytest.raises(SourceError, match="read after close"):
        first.read_at(0, 1)


def test_a_changed_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    with FolderSource(tmp_path) as folder:
        folder.open_file("a.bin")
        (tmp_path / "a.bin").write_bytes(b"longer")
        with pytest.raises(SourceError, match="changed while it was being read"):
            folder.check_unchanged()


def test_a_folder_has_no_bytes(tmp_path: Path) -> None:
    with FolderSource(tmp_path) as folder:
        with pytest.raises(SourceError, match="read from a folder"):
            folder.read_at(0, 0)
        with pytest.raises(SourceError, match="read from a folder"):
            folder.read_into(0, memoryview(bytearray(1)))
        assert folder.extent() is None


@pytest.mark.parametrize(
    "name", ["../x", "/etc/hostname", "a/../../x", "C:\\x", "..", "a\\..\\x", ""]
)
def test_names_that_lead_out(name: str, tmp_path: Path) -> None:
    with FolderSource(tmp_path) as folder, pytest.raises(SourceError, match="leads out"):
        folder.open_file(name)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    inside = tmp_path / "folder"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path / "outside")
    (inside / "deep").symlink_to(tmp_path)
    with FolderSource(inside) as folder:
        with pytest.raises(SourceError, match="symbolic link"):
            folder.open_file("link")
        with pytest.raises(SourceError, match="symbolic link"):
            folder.open_file("deep/outside")
        assert folder.list_names("", DEFAULT_LIMITS) == ["deep", "link"]


def test_names_are_listed_within_limits(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b" / "c").write_bytes(b"")
    with FolderSource(tmp_path) as folder:
        assert folder.list_names("", DEFAULT_LIMITS) == ["a", "b/"]
        assert folder.list_names("b", DEFAULT_LIMITS) == ["c"]
        with pytest.raises(LimitError, match="max_records"):
            folder.list_names("", DEFAULT_LIMITS._replace(max_records=1))
        for name in ("c", "a", "..", "b/..", "."):
            with pytest.raises(SourceError, match="no folder of that name"):
                folder.list_names(name, DEFAULT_LIMITS)


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(SourceError, match="not a folder"):
        FolderSource(tmp_path / "a")
    with pytest.raises(SourceNotFoundError):
        FolderSource(tmp_path / "b")
    with pytest.raises(SourceError, match="cannot read"):
        FolderSource("a\0b")


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with FolderSource(tmp_path / "a") as folder:
        (tmp_path / "a").rmdir()
        with pytest.raises(SourceNotFoundError):
            folder.list_names("", DEFAULT_LIMITS)

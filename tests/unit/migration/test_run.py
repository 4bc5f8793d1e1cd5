"""A folder of checkpoints is converted one by one; what happens to one stops no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import safetensors

import converter
from converter.byteio.temporaries import temporary_path
from converter.conversion import ConversionSettings
from converter.errors import PlanError
from corpus.hostile_writer import EVIL
from tests.support.command import depickle
from tests.support.small_files import NUMBERS, SMALL_FILES, legacy_file, zip_file
from tests.unit.readers.folder_writing import bin_file, safetensors_file, write_index

if TYPE_CHECKING:
    from pathlib import Path

    from converter.reporting.migration import MigrationReport

deserialize: Any = safetensors.deserialize


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Write an old, mixed archive: three checkpoints, and things of every other sort."""
    root = tmp_path / "archive"
    (root / "2018").mkdir(parents=True)
    (root / "2018" / "run.pth.tar").write_bytes(legacy_file())
    (root / "best.pt").write_bytes(zip_file())
    (root / "best.pth").write_bytes(zip_file())
    (root / "notes.txt").write_text("tried a larger batch")
    (root / "half.pt").write_bytes(zip_file()[:-40])
    (root / "page.pt").write_text("<!DOCTYPE html><title>Sign in</title>")
    (root / "evil.pt").write_bytes(EVIL)
    (root / "loop").symlink_to(root)
    (root / "gone.pt").symlink_to(root / "nowhere")
    return root


def outcomes(report: MigrationReport) -> dict[str, str]:
    return {os.path.relpath(file.source, report.root): file.outcome for file in report.files}


def numbers_in(path: Path, name: str = "w") -> bytes:
    """Return the bytes of a tensor as the safetensors library finds them."""
    found = {key: bytes(facts["data"]) for key, facts in deserialize(path.read_bytes())}
    return found[name]


EXPECTED = {
    "best.pt": "converted",
    "best.pth": "converted",
    "evil.pt": "refused",
    "gone.pt": "failed",
    "half.pt": "unreadable",
    "notes.txt": "no_checkpoint",
    "page.pt": "unreadable",
    "2018/run.pth.tar": "converted",
}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_file_has_its_outcome(archive: Path, tmp_path: Path, jobs: int) -> None:
    target = tmp_path / "converted"
    report = converter.migrate(archive, target, jobs=jobs)
    assert outcomes(report) == EXPECTED
    assert list(outcomes(report)) == list(EXPECTED)
    assert report.counts["converted"] == 3
    assert not report.complete
    written = sorted(os.path.relpath(path, target) for path in target.rglob("*.safetensors"))
    assert written == ["2018/run.safetensors", "best.pt.safetensors", "best.pth.safetensors"]
    assert [numbers_in(target / name) for name in written] == [NUMBERS] * 3
    assert {path.name for path in target.iterdir()} == {"2018", *written[1:]}


def test_running_it_again_goes_on(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "converted"
    converter.migrate(archive, target)
    before = (target / "best.pt.safetensors").stat()
    (target / "best.pth.safetensors").unlink()
    again = outcomes(converter.migrate(archive, target))
    assert again["best.pt"] == "present"
    assert again["best.pth"] == "converted"
    after = (target / "best.pt.safetensors").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_folder_of_the_outputs_is_not_listed_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, destination = tmp_path / "archive", tmp_path / "converted"
    root.mkdir()
    for number in range(12):
        (root / f"{number}.pt").write_bytes(zip_file())
    listed: list[str] = []
    honest = os.listdir

    def noted(path: str) -> list[str]:
        listed.append(os.fspath(path))
        return honest(path)

    monkeypatch.setattr(os, "listdir", noted)
    report = converter.migrate(root, destination, jobs=1)
    assert set(outcomes(report).values()) == {"converted"}
    assert listed.count(str(destination)) == 1
    converter.migrate(root, destination, jobs=1, settings=ConversionSettings(replace=True))
    assert listed.count(str(destination)) == 2


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    root, destination = tmp_path / "archive", tmp_path / "converted"
    root.mkdir()
    destination.mkdir()
    (root / "a.pt").write_bytes(zip_file())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    owner = temporary_path(destination / "a.safetensors").name.rsplit(".", 2)[1]
    left = f".a.safetensors.{ended.pid}-{owner.partition('-')[2]}.depickle-tmp"
    (destination / left).write_bytes(b"half")
    converter.migrate(root, destination, jobs=1)
    assert sorted(path.name for path in destination.iterdir()) == ["a.safetensors"]


def test_a_folder_that_is_a_checkpoint_becomes_one_file(tmp_path: Path) -> None:
    root = tmp_path / "hub" / "model"
    root.mkdir(parents=True)
    shards = {"a": [1.0, 2.0], "b": [3.0]}
    for number, (name, numbers) in enumerate(shards.items(), 1):
        (root / f"{number}.safetensors").write_bytes(safetensors_file({name: numbers}))
    index = {"a": "1.safetensors", "b": "2.safetensors"}
    write_index(root / "model.safetensors.index.json", index, total_size=12)
    (root / "head.bin").write_bytes(bin_file({"c": [4.0]}))
    (root / "checkpoint-5").mkdir()
    (root / "checkpoint-5" / "pytorch_model.bin").write_bytes(bin_file({"w": [5.0]}))
    for _ in range(2):
        report = converter.migrate(tmp_path / "hub", tmp_path / "out")
        assert report.complete
        found = sorted(os.path.relpath(path, tmp_path) for path in (tmp_path / "out").rglob("*.*"))
        assert found == [
            "out/model.safetensors",
            "out/model/checkpoint-5.safetensors",
            "out/model/head.safetensors",
        ]
    assert {key for key, _ in deserialize((tmp_path / "out/model.safetensors").read_bytes())} == {
        *shards
    }


def test_what_lies_in_a_broken_folder_is_tried_by_itself(tmp_path: Path) -> None:
    root = tmp_path / "hub" / "model"
    root.mkdir(parents=True)
    (root / "1.safetensors").write_bytes(safetensors_file({"a": [1.0, 2.0]}))
    index = {"a": "1.safetensors", "b": "2.safetensors"}
    write_index(root / "model.safetensors.index.json", index, total_size=12)
    (root / "head.bin").write_bytes(bin_file({"c": [4.0]}))
    report = converter.migrate(tmp_path / "hub", tmp_path / "out")
    assert not report.complete
    assert outcomes(report) == {
        "model": "unreadable",
        "model/1.safetensors": "converted",
        "model/head.bin": "converted",
        "model/model.safetensors.index.json": "no_checkpoint",
    }


def test_a_folder_that_is_itself_a_checkpoint(tmp_path: Path) -> None:
    root = tmp_path / "alone"
    root.mkdir()
    (root / "pytorch_model.bin").write_bytes(bin_file({"w": [5.0]}))
    report = converter.migrate(root, tmp_path / "out")
    assert [file.target for file in report.files] == [str(tmp_path / "out" / "alone.safetensors")]


def test_converted_outputs_migrate_again(archive: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    converter.migrate(archive, first)
    report = converter.migrate(first, second)
    assert report.complete
    for path in first.rglob("*.safetensors"):
        assert numbers_in(second / path.relative_to(first)) == numbers_in(path)


def test_the_destination_stays_outside(archive: Path) -> None:
    with pytest.raises(PlanError, match="destination inside the source"):
        converter.migrate(archive, archive / "converted")
    outcome = depickle("migrate", archive, archive / "2018" / ".." / "x")
    assert outcome.code == 2
    assert not (archive / "x").exists()


def test_the_command_says_what_is_not_done(archive: Path, tmp_path: Path) -> None:
    outcome = depickle("migrate", archive, tmp_path / "out")
    assert outcome.code == 21
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == [
        "refused",
        "failed",
        "unreadable",
        "unreadable",
    ]
    assert "8 files: 3 converted, 1 no checkpoint, 1 refused, 2 unreadable, 1 failed" in lines[-1]
    (archive / "evil.pt").unlink()
    for name in ("gone.pt", "half.pt", "page.pt"):
        (archive / name).unlink()
    outcome = depickle("migrate", archive, tmp_path / "out", "--format", "json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["counts"] == {"present": 3, "no_checkpoint": 1}


def test_nothing_to_migrate(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    assert depickle("migrate", tmp_path / "root", tmp_path / "out").code == 3
    assert depickle("migrate", tmp_path / "nowhere", tmp_path / "out").code == 3
    assert not (tmp_path / "out").exists()


def test_a_file_that_ends_its_process_is_a_failure(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for number, make in enumerate(SMALL_FILES.values()):
        (root / f"{number}.pt").write_bytes(make())
    (root / "3killer.pt").write_bytes(zip_file())
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(KILLER)
    outcome = run_apart(root, tmp_path / "out", hooks)
    assert outcome.returncode == 21, outcome.stderr
    files = {file["source"]: file for file in json.loads(outcome.stdout)["files"]}
    killed = files.pop(str(root / "3killer.pt"))
    assert killed["outcome"] == "failed"
    assert "crashed or was killed" in killed["reason"]
    assert {file["outcome"] for file in files.values()} == {"converted"}
    assert not list((tmp_path / "out").glob("*killer*"))


# Ends any Python process that opens the file of this name, as a crash of its own would.
KILLER = """
import os, signal, sys

def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("killer.pt"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
"""


def run_apart(root: Path, target: Path, hooks: Path) -> Any:  # noqa: ANN401 - CompletedProcess
    """Migrate in a process of its own, whose processes import what is in `hooks`."""
    import subprocess

    from tests.conftest import REPOSITORY

    command = [sys.executable, "-m", "converter", "migrate", "--jobs", "2", "--format", "json"]
    return subprocess.run(
        [*command, str(root), str(target)],
        env={**os.environ, "PYTHONPATH": f"{hooks}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

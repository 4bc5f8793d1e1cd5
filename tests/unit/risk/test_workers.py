"""Several processes say what one would, in the same order, whatever becomes of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from converter.risk.scanner import scan_file
from converter.risk.workers import scan_files
from corpus.hostile_writer import CALM, EVIL
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 150
# Ends any Python process that opens the file of this name, as a crash of its own would.
KILLER = """
import os, signal, sys

def watch(event, arguments):
    if event == "open" and str(arguments[0]).endswith("killer.pt"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
"""
ENDLESS = """
import os, signal
from converter.risk.workers import scan_files

if __name__ == "__main__":
    for report in scan_files(iter(lambda: {path!r}, ""), jobs=2):
        os.kill(os.getpid(), signal.SIGKILL)
"""
STARTED = """
import multiprocessing, sys, threading
from converter.risk.workers import scan_files

if __name__ == "__main__":
    ended = threading.Event()
    if sys.argv[2:]:
        threading.Thread(target=ended.wait).start()
    reports = scan_files(iter([sys.argv[1]] * 50), jobs=2)
    print(next(reports).verdict, *(type(one).__name__ for one in multiprocessing.active_children()))
    print(len(list(reports)))
    ended.set()
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Write calm and hostile files, one of them twice, and name one that is not there."""
    for number in range(COUNT):
        (tmp_path / f"{number:03}.pt").write_bytes(EVIL if number % 7 == 3 else CALM)
    names = sorted(str(path) for path in tmp_path.iterdir())
    return [*names, names[0], str(tmp_path / "nowhere.pt")]


def test_reports_are_those_of_one_process(files: list[str]) -> None:
    found = list(scan_files(iter(files), jobs=2, explained=True))
    assert found == [scan_file(file, explained=True) for file in files]


def test_no_file_no_report() -> None:
    assert list(scan_files([], jobs=2)) == []


def test_files_are_read_a_little_ahead_only(files: list[str]) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield files[0]

    reports = scan_files(endless(), jobs=1)
    for done in range(1, 100):
        next(reports)
        assert taken - done < 100
    reports.close()


def test_processes_that_are_killed_are_replaced(files: list[str]) -> None:
    reports = scan_files(files, jobs=2)
    found = [next(reports)]
    for process in multiprocessing.active_children():
        process.kill()
    found += reports
    assert found == [scan_file(file) for file in files]


def test_a_file_that_ends_its_process_is_unreadable(files: list[str], tmp_path: Path) -> None:
    (tmp_path / "077killer.pt").write_bytes(CALM)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(KILLER)
    command = [sys.executable, "-m", "converter", "scan", "--jobs", "2", "--format", "json"]
    outcome = subprocess.run(
        [*command, *sorted([*files[:COUNT], str(tmp_path / "077killer.pt")])],
        env={**os.environ, "PYTHONPATH": f"{hooks}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert outcome.returncode == 13, outcome.stderr
    document = json.loads(outcome.stdout)
    verdicts = [file["verdict"] for file in document["files"]]
    assert len(verdicts) == COUNT + 1
    assert [at for at, verdict in enumerate(verdicts) if verdict == "unreadable"] == [78]
    killed = document["files"][78]
    assert killed["name"].endswith("077killer.pt")
    assert "crashed or was killed" in killed["findings"][0]["message"]


def test_no_process_outlives_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(CALM)
    script = tmp_path / "script.py"
    script.write_text(ENDLESS.format(path=str(path)))
    # Every process holds the pipe: it ends when the last of them does.
    outcome = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    assert outcome.returncode == -signal.SIGKILL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the threads are not known")
@pytest.mark.parametrize(
    ("threads", "kind"), [([], "ForkProcess"), (["more"], "ForkServerProcess")]
)
def test_only_a_process_of_one_thread_is_copied(
    threads: list[str], kind: str, tmp_path: Path
) -> None:
    path, script = tmp_path / "a.pt", tmp_path / "script.py"
    path.write_bytes(CALM)
    script.write_text(STARTED)
    outcome = subprocess.run(
        [sys.executable, str(script), str(path), *threads],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert outcome.stdout.split() == ["safe", kind, kind, "49"]


def test_one_file_is_scanned_without_them(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(CALM)
    code = f"import sys, converter; converter.scan({str(path)!r}, jobs=None); print(*sys.modules)"
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"multiprocessing", "concurrent"} & set(outcome.stdout.split())

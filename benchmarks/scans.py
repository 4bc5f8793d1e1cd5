"""Start-up, and scans: one small file, a folder of many beside other scanners, a large file."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.bench import Bench, over, say, steps
from benchmarks.peers import PINS, peer_python
from benchmarks.processes import PYTHON, Task, depickle, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

_BARE: Final = "bare Python"
_FEWER: Final = {"modelscan": 500}
"""Scanner → the most files it is given: its time grows with their square, and ten times as many
would take the best part of an hour. Its files per second are the better for it."""


def measure_start(bench: Bench) -> None:
    """How long a process takes that does next to nothing."""
    source = bench.make("small", 0)
    tasks = [
        Task(_BARE, (PYTHON, "-c", "pass")),
        Task("import converter", (PYTHON, "-c", "import converter")),
        Task("import click, msgspec", (PYTHON, "-c", "import click, msgspec")),
        Task("depickle --version", depickle("--version")),
        Task("depickle scan small", depickle("scan", source)),
        Task("depickle inspect small", depickle("inspect", source)),
        Task("import torch", (PYTHON, "-c", "import torch")),
    ]
    runs = bench.measure("start", tasks, _BARE)
    figures = {}
    for task in tasks[1:6]:
        figures |= over(runs, task.name, _BARE)
    bench.conclude("start", figures)


def measure_files(bench: Bench) -> None:
    """A folder of small files, beside the scanners of others."""
    _measure_beside_peers(bench, "files", "files")
    _measure_beside_peers(bench, "files, no two alike", "different")


def _measure_beside_peers(bench: Bench, section: str, kind: str) -> None:
    count = bench.sizes.files
    folder = _folder_of(bench, kind, count)
    counts = {"depickle": count, "depickle --jobs 1": count}
    tasks = [
        Task("depickle", depickle("scan", folder)),
        Task("depickle --jobs 1", depickle("scan", "--jobs", "1", folder)),
    ]
    program = Path(__file__).with_name("peer_scan.py")
    for name, python in _peers(bench):
        counts[name] = min(count, _FEWER.get(name, count))
        command = (python, program, name, _folder_of(bench, kind, counts[name]))
        tasks.append(Task(name, tuple(map(str, command))))
    runs = bench.measure(section, tasks, "depickle", few=True)
    figures = {
        f"files per second, {name}": found / statistics.median(run.wall_s for run in runs[name])
        for name, found in counts.items()
    }
    peers = [task.name for task in tasks[2:]]
    if peers:
        fastest = max(peers, key=lambda name: figures[f"files per second, {name}"])
        scale = count / counts[fastest]
        figures["fastest peer over depickle"] = ratio(runs, fastest, "depickle") * scale
    bench.conclude(section, figures)


def _peers(bench: Bench) -> Iterator[tuple[str, Path]]:
    for name in PINS:
        try:
            yield name, peer_python(name, bench.folder / "peers")
        except (OSError, subprocess.CalledProcessError) as error:
            say(f"{name} is left out, it cannot be installed: {error}")


def measure_sparse(bench: Bench) -> None:
    """How much of a checkpoint of 10 GB a scan reads."""
    source = bench.make("hollow", bench.sizes.sparse)
    task = Task("depickle scan", depickle("scan", source))
    runs = bench.measure("sparse", [task], task.name)
    reads = [run.read_nbytes for run in runs[task.name] if run.read_nbytes is not None]
    if reads:
        share = 100 * max(reads) / source.stat().st_size
        bench.conclude("sparse", {"bytes read, modules of Python included, %": share})
    source.unlink()


def measure_folders(bench: Bench) -> None:
    """A scan of folders with growing numbers of files, in one process."""
    counts = bench.sizes.folders
    tasks = [Task("start", depickle("scan", "--jobs", "1", bench.make("small", 0)))]
    for count in counts:
        folder = _folder_of(bench, "files", count)
        tasks.append(Task(str(count), depickle("scan", "--jobs", "1", folder)))
    runs = bench.measure("folders", tasks, str(counts[0]), few=True)
    found = steps(runs, list(map(str, counts)), counts, "start")
    figures = {
        f"time over files, to {more:,}": value
        for more, value in zip(counts[1:], found, strict=True)
    }
    bench.conclude("folders", {**figures, "time over files, most": max(found)})


def _folder_of(bench: Bench, kind: str, count: int) -> Path:
    """Return a folder of `count` small checkpoints, none of which shares its bytes on disk."""
    most = bench.sizes.files
    whole = bench.make(kind, max(most, *bench.sizes.folders) if kind == "files" else most)
    folder = bench.folder / f"{kind}-of-{count}"
    if not folder.exists():
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.pth").hardlink_to(whole / f"{number}.pth")
    return folder

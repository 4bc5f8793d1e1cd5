"""Start-up, and scans: one small file, a folder of many beside other scanners, a large file."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.bench import Bench, over, say, steps
from benchmarks.peers import PINS, peer_python
from benchmarks.processes import PYTHON, Task, depickle

if TYPE_CHECKING:
    from collections.abc import Iterator

_BARE: Final = "bare Python"


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
    count = bench.sizes.files
    folder = _folder_of(bench, count)
    tasks = [
        Task("depickle", depickle("scan", folder)),
        Task("depickle --jobs 1", depickle("scan", "--jobs", "1", folder)),
        *_peer_tasks(bench, folder),
    ]
    runs = bench.measure("files", tasks, "depickle", few=True)
    figures = {}
    for task in tasks:
        middle = sorted(run.wall_s for run in runs[task.name])[len(runs[task.name]) // 2]
        figures[f"files per second, {task.name}"] = count / middle
    peers = [task.name for task in tasks[2:]]
    if peers:
        fastest = max(peers, key=lambda name: figures[f"files per second, {name}"])
        figures["fastest peer over depickle"] = over(runs, fastest, "depickle").popitem()[1]
    bench.conclude("files", figures)


def _peer_tasks(bench: Bench, folder: Path) -> Iterator[Task]:
    program = Path(__file__).with_name("peer_scan.py")
    for name in PINS:
        try:
            python = peer_python(name, bench.folder / "peers")
        except (OSError, subprocess.CalledProcessError) as error:
            say(f"{name} is left out, it cannot be installed: {error}")
            continue
        yield Task(name, tuple(map(str, (python, program, name, folder))))


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
        folder = _folder_of(bench, count)
        tasks.append(Task(str(count), depickle("scan", "--jobs", "1", folder)))
    runs = bench.measure("folders", tasks, str(counts[0]), few=True)
    found = steps(runs, counts, "start")
    figures = {
        f"time over files, to {more:,}": value
        for more, value in zip(counts[1:], found, strict=True)
    }
    bench.conclude("folders", {**figures, "time over files, most": max(found)})


def _folder_of(bench: Bench, count: int) -> Path:
    """Return a folder of `count` small checkpoints, none of which shares its bytes on disk."""
    whole = bench.make("files", max(bench.sizes.files, *bench.sizes.folders))
    folder = bench.folder / f"folder-{count}"
    if not folder.exists():
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.pth").hardlink_to(whole / f"{number}.pth")
    return folder

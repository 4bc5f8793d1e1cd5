"""Runs commands in turns and measures each whole process: wall, processor, memory, bytes."""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PYTHON: Final = sys.executable


@dataclass(frozen=True, slots=True)
class Run:
    """One process from its start to its end.

    Attributes:
        wall_s: seconds on the clock.
        cpu_s: seconds of processor time, its own and the kernel's for it.
        peak_nbytes: its largest resident size.
        read_nbytes: bytes it asked the kernel to read for it; None where that is not known.
        load: load average of one minute when it began: other work on the same processors.
    """

    wall_s: float
    cpu_s: float
    peak_nbytes: int
    read_nbytes: int | None
    load: float


@dataclass(frozen=True, slots=True)
class Task:
    """A command to measure.

    Attributes:
        name: what tables call it.
        command: program and arguments.
        output: what it writes, removed before every run; None for nothing.
    """

    name: str
    command: tuple[str, ...]
    output: Path | None = None


def depickle(*arguments: str | Path) -> tuple[str, ...]:
    """Return the command line of depickle: the installed command, as a user starts it."""
    command = Path(PYTHON).with_name("depickle")
    start = (str(command),) if command.exists() else (PYTHON, "-m", "converter")
    return (*start, *map(str, arguments))


def environment(bytecode: Path) -> dict[str, str]:
    """Return this process's environment, with bytecode cached as an installed package has it."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONPATH": os.pathsep.join(paths)}


def run_process(task: Task, variables: Mapping[str, str]) -> Run:
    """Run a task once.

    Raises:
        RuntimeError: it failed.
    """
    if task.output is not None:
        _remove(task.output)
    load = os.getloadavg()[0]
    actions = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    begin = time.perf_counter()
    pid = os.posix_spawn(task.command[0], task.command, variables, file_actions=actions)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    wall_s = time.perf_counter() - begin
    read_nbytes = _read_nbytes(pid)
    _, status, usage = os.wait4(pid, 0)
    if status:
        message = f"exit status {os.waitstatus_to_exitcode(status)}: {' '.join(task.command)}"
        raise RuntimeError(message)
    peak_nbytes = usage.ru_maxrss * 1024
    return Run(wall_s, usage.ru_utime + usage.ru_stime, peak_nbytes, read_nbytes, load)


def run_in_turns(
    tasks: Sequence[Task],
    rounds: int,
    variables: Mapping[str, str],
    tell: Callable[[str], object],
) -> dict[str, list[Run]]:
    """Run every task once for nothing, then all of them in turns, in every other round backwards.

    Dirty pages are written back before each run, so that none pays for the one before it.
    """
    for task in tasks:
        run_process(task, variables)
    runs: dict[str, list[Run]] = {task.name: [] for task in tasks}
    for number in range(rounds):
        for task in tasks[:: -1 if number % 2 else 1]:
            os.sync()
            run = run_process(task, variables)
            tell(f"  {task.name}: {run.wall_s:.3f} s")
            runs[task.name].append(run)
    for task in tasks:
        if task.output is not None:
            _remove(task.output)
    return runs


def ratio(runs: Mapping[str, Sequence[Run]], name: str, base: str, what: str = "wall_s") -> float:
    """Return the median, over the rounds, of one task's amount over another's in that round."""
    pairs = zip(runs[name], runs[base], strict=True)
    return statistics.median(getattr(one, what) / getattr(other, what) for one, other in pairs)


def cells(runs: Mapping[str, Sequence[Run]], name: str, base: str) -> tuple[str, ...]:
    """Return the figures of one task: medians, minima, maxima, and ratios to the task `base`."""
    found = runs[name]
    walls = [run.wall_s for run in found]
    reads = [run.read_nbytes for run in found if run.read_nbytes is not None]
    return (
        name,
        f"{statistics.median(walls):.3f}",
        f"{min(walls):.3f}",
        f"{max(walls):.3f}",
        f"{ratio(runs, name, base):.2f}",
        f"{statistics.median(run.cpu_s for run in found):.3f}",
        f"{ratio(runs, name, base, 'cpu_s'):.2f}",
        f"{max(run.peak_nbytes for run in found) / 1e6:.0f}",
        f"{statistics.median(reads) / 1e6:.1f}" if reads else "?",
    )


def table(runs: Mapping[str, Sequence[Run]], base: str) -> list[str]:
    """Return lines: medians, minima, maxima, and ratios to the task called `base`."""
    head = ("", "wall median", "min", "max", "ratio", "cpu median", "ratio", "peak MB", "read MB")
    rows = [head, *(cells(runs, name, base) for name in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


def _read_nbytes(pid: int) -> int | None:
    """Return what a process that has ended, and was not waited for, read by system calls."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    fields = dict(line.split(": ") for line in lines)
    return int(fields["rchar"])


def _remove(path: Path) -> None:
    for found in path.parent.glob(f"{path.name}*"):
        found.unlink()

"""Measures depickle against the copy and against torch: ``python -m benchmarks``.

Makes its inputs in a temporary folder, runs every program as a process of its own, in turns, and
prints medians, minima, maxima and ratios. ``--quick`` takes a few minutes and small files; without
it 30 GB of disk and an hour are needed. ``--only NAME`` runs single sections.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.processes import (
    PYTHON,
    Run,
    Task,
    depickle,
    environment,
    ratio,
    run_in_turns,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_MEGA: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; bytes, but for the numbers of tensors and rounds."""

    large: int
    huge: int
    other: int
    tensors: int
    files: int
    rounds: int


FULL: Final = Sizes(2000 * _MEGA, 8000 * _MEGA, 400 * _MEGA, 100_000, 100, 5)
QUICK: Final = Sizes(100 * _MEGA, 400 * _MEGA, 50 * _MEGA, 5_000, 10, 3)


@dataclass(slots=True)
class Bench:
    """A benchmark run: where it works, how much it measures, what it found.

    Attributes:
        folder: for inputs and outputs.
        sizes: how much.
        variables: environment of the measured processes.
        runs: section → task → its runs.
        facts: section → figures that are no runs.
    """

    folder: Path
    sizes: Sizes
    variables: dict[str, str]
    runs: dict[str, dict[str, list[Run]]] = field(default_factory=dict)
    facts: dict[str, dict[str, float]] = field(default_factory=dict)

    def make(self, kind: str, amount: int) -> Path:
        """Return an input of this kind and size, written if it is not there yet."""
        path = self.folder / f"{kind}-{amount}.pth"
        if not path.exists():
            say(f"  writing {path.name}")
            self._python("-m", "benchmarks.inputs", f"{kind}:{amount}:{path}")
        return path

    def measure(self, section: str, tasks: list[Task], base: str) -> dict[str, list[Run]]:
        """Run the tasks of a section in turns and print its table."""
        runs = run_in_turns(tasks, self.sizes.rounds, self.variables, note)
        self.runs[section] = runs
        loads = [run.load for found in runs.values() for run in found]
        say("\n".join(table(runs, base)))
        say(f"load average {min(loads):.1f} to {max(loads):.1f}")
        return runs

    def conclude(self, section: str, figures: dict[str, float]) -> None:
        """Keep figures of a section and print them."""
        self.facts.setdefault(section, {}).update(figures)
        for name, value in figures.items():
            say(f"{name}: {value:.2f}")

    def result_of(self, *arguments: str) -> dict[str, float]:
        """Return the JSON object that a program of this package prints."""
        found: dict[str, float] = json.loads(self._python(*arguments))
        return found

    def _python(self, *arguments: str) -> str:
        outcome = subprocess.run(  # noqa: S603 - our own programs
            [PYTHON, *arguments], env=self.variables, check=True, stdout=subprocess.PIPE, text=True
        )
        return outcome.stdout


def say(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print what goes on, apart from the result."""
    sys.stderr.write(text + "\n")


def copying(source: Path, target: Path) -> Task:
    """Return the copy of a file, flushed as depickle flushes its output."""
    script = 'cp --sparse=never -- "$0" "$1" && sync -- "$1"'
    return Task("cp + fsync", ("/bin/sh", "-c", script, str(source), str(target)), target)


def converting(source: Path, target: Path, *, verify: bool) -> Task:
    """Return a conversion as the command line does it."""
    options = ["-q"] if verify else ["-q", "--no-verify"]
    name = "depickle, verified" if verify else "depickle"
    return Task(name, depickle("convert", *options, source, target), target)


def by_torch(source: Path, target: Path, *, mmap: bool) -> Task:
    """Return torch.load(weights_only=True) and save_file."""
    command = (PYTHON, "-m", "benchmarks.torch_route", str(source), str(target))
    name = "torch, mmap" if mmap else "torch"
    return Task(name, (*command, "--mmap") if mmap else command, target)


def measure_large(bench: Bench) -> None:
    """Two gigabytes against the copy and against torch."""
    source = bench.make("large", bench.sizes.large)
    target = bench.folder / "out.safetensors"
    tasks = [
        copying(source, target),
        converting(source, target, verify=False),
        converting(source, target, verify=True),
        by_torch(source, target, mmap=True),
        by_torch(source, target, mmap=False),
    ]
    runs = bench.measure("large", tasks, "cp + fsync")
    figures = {}
    for name in ("depickle", "depickle, verified"):
        figures[f"{name} over cp + fsync"] = ratio(runs, name, "cp + fsync")
        for other in ("torch, mmap", "torch"):
            figures[f"{other} over {name}"] = ratio(runs, other, name)
    bench.conclude("large", figures)


def measure_memory(bench: Bench) -> None:
    """Peak memory of a verified conversion at two sizes, four times apart."""
    peaks = {}
    for nbytes in (bench.sizes.large, bench.sizes.huge):
        source = bench.make("hollow", nbytes)
        target = bench.folder / "out.safetensors"
        task = converting(source, target, verify=True)
        runs = bench.measure(f"memory-{nbytes}", [task], task.name)
        source.unlink()
        peaks[nbytes] = max(run.peak_nbytes for run in runs[task.name]) / _MEGA
    few, many = peaks.values()
    figures = {f"peak MB of {nbytes / 1e9:g} GB": peak for nbytes, peak in peaks.items()}
    bench.conclude("memory", {**figures, "larger over smaller": many / few})


def measure_many(bench: Bench) -> None:
    """100,000 tensors of four values: what each costs beside its bytes."""
    source = bench.make("many", bench.sizes.tensors)
    target = bench.folder / "out.safetensors"
    tasks = [
        converting(source, target, verify=False),
        converting(source, target, verify=True),
        by_torch(source, target, mmap=True),
        by_torch(source, target, mmap=False),
    ]
    runs = bench.measure("many", tasks, "depickle")
    names = [task.name for task in tasks[:2]]
    figures = {f"torch over {name}": ratio(runs, "torch", name, "cpu_s") for name in names}
    rounds = str(bench.sizes.rounds)
    figures |= bench.result_of("-m", "benchmarks.planning", str(source), "--rounds", rounds)
    bench.conclude("many", figures)


def measure_kinds(bench: Bench) -> None:
    """Other kinds of checkpoints, each against its copy and torch."""
    for kind in ("bundle", "legacy", "strided"):
        source = bench.make(kind, bench.sizes.other)
        target = bench.folder / "out.safetensors"
        say(f"{kind}:")
        tasks = [
            copying(source, target),
            converting(source, target, verify=False),
            converting(source, target, verify=True),
            by_torch(source, target, mmap=False),
        ]
        bench.measure(kind, tasks, "cp + fsync")


def measure_start(bench: Bench) -> None:
    """How long a process takes that does next to nothing."""
    source = bench.make("small", 0)
    folder = bench.folder / "small"
    folder.mkdir(exist_ok=True)
    for number in range(bench.sizes.files):
        copy = folder / f"{number}.pth"
        if not copy.exists():
            copy.hardlink_to(source)
    tasks = [
        Task("python -c pass", (PYTHON, "-c", "pass")),
        Task("import converter", (PYTHON, "-c", "import converter")),
        Task("import click, msgspec", (PYTHON, "-c", "import click, msgspec")),
        Task("depickle --version", depickle("--version")),
        Task("depickle inspect small", depickle("inspect", source)),
        Task("depickle scan small", depickle("scan", source)),
        Task(f"depickle scan folder of {bench.sizes.files}", depickle("scan", folder)),
        Task("import torch", (PYTHON, "-c", "import torch")),
    ]
    runs = bench.measure("start", tasks, "python -c pass")
    bench.conclude(
        "start",
        {
            f"{name} over python -c pass": ratio(runs, name, "python -c pass", "cpu_s")
            for name in list(runs)[1:6]
        },
    )


def measure_growth(bench: Bench) -> None:
    """Twice the bytes, twice the tensors; what a process takes to start grows with neither."""
    target = bench.folder / "out.safetensors"
    small = Task("start", converting(bench.make("small", 0), target, verify=True).command, target)
    figures = {}
    for kind, amount in (("large", bench.sizes.large), ("many", bench.sizes.tensors)):
        sources = {name: bench.make(kind, amount // n) for name, n in (("half", 2), ("whole", 1))}
        tasks = [
            Task(name, converting(source, target, verify=True).command, target)
            for name, source in sources.items()
        ]
        runs = bench.measure(f"growth-{kind}", [small, *tasks], "half")
        for what in ("wall_s", "cpu_s"):
            figures[f"{kind}, {what}: whole over half, less the start"] = statistics.median(
                (getattr(whole, what) - getattr(start, what))
                / (getattr(half, what) - getattr(start, what))
                for start, half, whole in zip(*runs.values(), strict=True)
            )
    bench.conclude("growth", figures)


SECTIONS: Final[dict[str, Callable[[Bench], None]]] = {
    "start": measure_start,
    "many": measure_many,
    "large": measure_large,
    "kinds": measure_kinds,
    "growth": measure_growth,
    "memory": measure_memory,
}
"""Name → what measures it."""


def main() -> None:
    """Run the sections that were asked for and write their figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="may be repeated")
    parser.add_argument("--rounds", type=int, help="how many runs of each program")
    parser.add_argument("--folder", type=Path, help="parent of the temporary folder")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="output")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    if options.rounds is not None:
        sizes = Sizes(**{**asdict(sizes), "rounds": options.rounds})
    with tempfile.TemporaryDirectory(prefix="depickle-bench-", dir=options.folder) as name:
        bench = Bench(Path(name), sizes, environment(Path(name, "bytecode")))
        for section in options.only or SECTIONS:
            say(f"\n{section}: {(SECTIONS[section].__doc__ or '').strip()}")
            SECTIONS[section](bench)
    options.json.write_text(json.dumps(_document(bench), indent=2) + "\n", encoding="utf-8")


def _document(bench: Bench) -> dict[str, Any]:
    """Return everything that was measured, and where."""
    return {
        "python": platform.python_version(),
        "processors": len(os.sched_getaffinity(0)),
        "sizes": asdict(bench.sizes),
        "facts": bench.facts,
        "runs": {
            section: {name: [asdict(run) for run in found] for name, found in runs.items()}
            for section, runs in bench.runs.items()
        },
    }


if __name__ == "__main__":
    main()

"""Conversions against the copy of the file and against torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.bench import MEGA, Bench, over, say, steps
from benchmarks.processes import PYTHON, Task, depickle

if TYPE_CHECKING:
    from pathlib import Path


def copying(source: Path, target: Path, *, name: str = "cp + fsync") -> Task:
    """Return the copy of a file, flushed as depickle flushes its output."""
    script = 'cp --sparse=never -- "$0" "$1" && sync -- "$1"'
    return Task(name, ("/bin/sh", "-c", script, str(source), str(target)), target)


def converting(source: Path, target: Path, *, verify: bool, name: str | None = None) -> Task:
    """Return a conversion as the command line does it."""
    options = ["-q"] if verify else ["-q", "--no-verify"]
    usual = "depickle, verified" if verify else "depickle"
    return Task(name or usual, depickle("convert", *options, source, target), target)


def by_torch(source: Path, target: Path, *, mmap: bool) -> Task:
    """Return torch.load(weights_only=True) and save_file."""
    command = (PYTHON, "-m", "benchmarks.torch_route", str(source), str(target))
    name = "torch, mmap" if mmap else "torch"
    return Task(name, (*command, "--mmap") if mmap else command, target)


def measure_large(bench: Bench) -> None:
    """300 tensors, in all 2 GB, against the copy and against torch."""
    source = bench.make("large", bench.sizes.large)
    tasks = [
        copying(source, bench.target),
        converting(source, bench.target, verify=False),
        converting(source, bench.target, verify=True),
        by_torch(source, bench.target, mmap=True),
        by_torch(source, bench.target, mmap=False),
    ]
    runs = bench.measure("large", tasks, "cp + fsync")
    source.unlink()
    figures = {}
    for name in ("depickle", "depickle, verified"):
        figures |= over(runs, name, "cp + fsync")
        for other in ("torch, mmap", "torch"):
            figures |= over(runs, other, name)
    bench.conclude("large", figures)


def measure_memory(bench: Bench) -> None:
    """Peak memory of a verified conversion at two sizes, four times apart."""
    peaks = []
    for nbytes in (bench.sizes.large, bench.sizes.huge):
        source = bench.make("hollow", nbytes)
        task = converting(source, bench.target, verify=True)
        runs = bench.measure(f"memory at {nbytes / 1e9:g} GB", [task], task.name, few=True)
        source.unlink()
        peaks.append(max(run.peak_nbytes for run in runs[task.name]) / MEGA)
    smaller, larger = peaks
    bench.conclude(
        "memory",
        {
            "peak MB, smaller": smaller,
            "peak MB, larger": larger,
            "larger/smaller": larger / smaller,
        },
    )


def measure_many(bench: Bench) -> None:
    """100,000 tensors of four values: what each costs beside its bytes."""
    source = bench.make("many", bench.sizes.tensors)
    tasks = [
        converting(source, bench.target, verify=False),
        converting(source, bench.target, verify=True),
        by_torch(source, bench.target, mmap=True),
        by_torch(source, bench.target, mmap=False),
    ]
    runs = bench.measure("many", tasks, "depickle", few=True)
    figures = {}
    for task in tasks[:2]:
        for other in ("torch, mmap", "torch"):
            figures |= over(runs, other, task.name)
    rounds = str(bench.sizes.rounds)
    figures |= bench.result_of("-m", "benchmarks.planning", str(source), "--rounds", rounds)
    bench.conclude("many", figures)


def measure_opcodes(bench: Bench) -> None:
    """A pickle of a million opcodes: our machine, pickletools.genops, torch's unpickler."""
    sizes = bench.sizes
    arguments = ("--opcodes", str(sizes.opcodes), "--rounds", str(sizes.rounds), "--json")
    bench.conclude("opcodes", bench.result_of("-m", "benchmarks.opcodes", *arguments))


def measure_kinds(bench: Bench) -> None:
    """Other kinds of checkpoints: AdamW's bundle, a legacy stream, transposed matrices."""
    for kind in ("bundle", "legacy", "strided"):
        source = bench.make(kind, bench.sizes.other)
        say(f"{kind}:")
        tasks = [
            copying(source, bench.target),
            converting(source, bench.target, verify=False),
            converting(source, bench.target, verify=True),
            by_torch(source, bench.target, mmap=False),
        ]
        bench.measure(kind, tasks, "cp + fsync")
        source.unlink()


def measure_growth(bench: Bench) -> None:
    """A verified conversion, and the copy, at growing sizes; each input is full of holes."""
    amounts = bench.sizes.growth
    small = bench.make("small", 0)
    tasks = [
        converting(small, bench.target, verify=True, name="start"),
        copying(small, bench.target, name="start, cp"),
    ]
    for nbytes in amounts:
        source = bench.make("hollow", nbytes)
        tasks.append(converting(source, bench.target, verify=True, name=str(nbytes)))
        tasks.append(copying(source, bench.target, name=f"{nbytes}, cp"))
    runs = bench.measure("growth", tasks, str(amounts[0]), few=True)
    figures = {}
    for suffix in ("", ", cp"):
        found = steps(runs, [f"{nbytes}{suffix}" for nbytes in amounts], amounts, f"start{suffix}")
        for more, value in zip(amounts[1:], found, strict=True):
            figures[f"time over bytes, to {more / 1e9:g} GB{suffix}"] = value
        figures[f"time over bytes, most{suffix}"] = max(found)
    bench.conclude("growth", figures)

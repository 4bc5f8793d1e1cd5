"""A benchmark run as a page: ``python -m benchmarks.markdown JSON [JSON …]``.

Several runs are put together; of a section that was measured twice, the last counts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import Run, cells
from benchmarks.targets import TARGETS

_HEAD: Final = """\
# Results

Made by `python -m benchmarks --markdown benchmarks/RESULTS.md`, which writes its own inputs, runs
every program as a process of its own, in turns, and prints what follows. Times are of whole
processes, start included, in seconds; a ratio is the median, over the rounds, of two times of the
same round. `cp + fsync` is `cp --sparse=never` and `sync` of the copy; depickle flushes its output
before it gives it its name; what torch and safetensors wrote is flushed as well. Inputs are in
memory (page cache), where an earlier run has left them. "Read" is what system calls read, which
leaves out what the kernel copies from file to file by itself, and pages of mapped files.

The checkpoints of `files` are those of one run: ten contents, one pickle, and depickle reads what
is alike once a process. In `files, no two alike` each has other names, shapes and numbers of
tensors. modelscan is given fewer, for its time grows with their square. `growth` measures the copy
beside the conversion: what memory no longer holds is slower for both. `many` and `opcodes` are
processor time inside one process where they speak of a tensor or an opcode.
"""

_BOUNDS: Final = """\
The bounds are meant for a quiet machine and the full sizes: 2 GB, 100,000 tensors, a million
opcodes, 5,000 files; at the sizes of `--quick` starting Python is most of a conversion. "Many
files" are those of `files`."""


def page(document: dict[str, Any]) -> str:
    """Return a whole page about a run."""
    lines = [
        _HEAD,
        _where(document),
        "",
        "## To reach",
        "",
        _BOUNDS,
        "",
        *_targets(document["facts"]),
    ]
    lines += ["", "## Figures", ""]
    for section, figures in document["facts"].items():
        lines += [f"### {section}", "", "| figure | value |", "| --- | ---: |"]
        lines += [f"| {name} | {value:,.4g} |" for name, value in figures.items()]
        lines.append("")
    lines += ["## Runs", ""]
    for name, tasks in document["runs"].items():
        found = {task: [Run(**run) for run in runs] for task, runs in tasks.items()}
        lines += [f"### {name}", "", *_table(found, document["bases"][name]), ""]
    return "\n".join(lines).rstrip() + "\n"


def _where(document: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    loads = [
        run["load"]
        for tasks in document["runs"].values()
        for runs in tasks.values()
        for run in runs
    ]
    load = f"load average {min(loads):.1f} to {max(loads):.1f}" if loads else "no processes"
    sizes = document["sizes"]
    measured = (
        f"large {sizes['large'] / 1e9:g} GB, memory up to {sizes['huge'] / 1e9:g} GB, growth up to "
        f"{max(sizes['growth']) / 1e9:g} GB, {sizes['tensors']:,} tensors, "
        f"{sizes['opcodes']:,} opcodes, {sizes['files']:,} files beside other scanners, folders up "
        f"to {max(sizes['folders']):,} files, {sizes['rounds']} rounds or {sizes['few_rounds']}"
    )
    return (
        f"Sizes: {measured}.\n\n"
        f"This run: {document['system']}, {document['processors']} processors, "
        f"{document['memory_gb']:.0f} GB of memory; {versions}; {load}."
    )


def _targets(facts: dict[str, dict[str, float]]) -> list[str]:
    lines = ["| target | bound | measured | |", "| --- | ---: | ---: | --- |"]
    for target in TARGETS:
        value = target.value(facts)
        bound = f"{'≥' if target.at_least else '≤'} {target.bound:g}"
        if value is None:
            lines.append(f"| {target.text} | {bound} | | not measured |")
        else:
            word = "reached" if target.is_reached(value) else "**short**"
            lines.append(f"| {target.text} | {bound} | {value:.3g} | {word} |")
    return lines


def _table(runs: dict[str, list[Run]], base: str) -> list[str]:
    heads = ("", "median", "min", "max", "ratio", "processor", "ratio", "peak MB", "read MB")
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    lines += [f"| {' | '.join(cells(runs, name, base))} |" for name in runs]
    return lines


def merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return several runs as one; later ones count more."""
    whole = documents[0]
    for document in documents[1:]:
        for part in ("facts", "runs", "bases"):
            whole[part] |= document[part]
    return whole


def main() -> None:
    """Print the page of the runs that are named."""
    documents = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    sys.stdout.write(page(merged(documents)))


if __name__ == "__main__":
    main()

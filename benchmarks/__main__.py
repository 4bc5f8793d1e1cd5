"""Measures depickle against the copy, torch and other scanners: ``python -m benchmarks``.

Makes its inputs in a temporary folder, runs every program as a process of its own, in turns, and
prints medians, minima, maxima and ratios. ``--quick`` takes a few minutes and small files; without
it 60 GB of disk and half an hour are needed. ``--only NAME`` runs single sections; ``--markdown``
writes the page beside the JSON. The scanners of others are installed by pip, each in an
environment of its own; without a package index they are left out, and the run says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.bench import FULL, QUICK, Bench, say, with_rounds
from benchmarks.conversions import (
    measure_growth,
    measure_kinds,
    measure_large,
    measure_many,
    measure_memory,
    measure_opcodes,
)
from benchmarks.markdown import page
from benchmarks.peers import PINS
from benchmarks.processes import environment
from benchmarks.scans import measure_files, measure_folders, measure_sparse, measure_start

if TYPE_CHECKING:
    from collections.abc import Callable

SECTIONS: Final[dict[str, Callable[[Bench], None]]] = {
    "start": measure_start,
    "opcodes": measure_opcodes,
    "many": measure_many,
    "files": measure_files,
    "folders": measure_folders,
    "sparse": measure_sparse,
    "large": measure_large,
    "kinds": measure_kinds,
    "memory": measure_memory,
    "growth": measure_growth,
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
    parser.add_argument("--markdown", type=Path, help="output for people")
    options = parser.parse_args()
    sizes = with_rounds(QUICK if options.quick else FULL, options.rounds)
    with tempfile.TemporaryDirectory(prefix="depickle-bench-", dir=options.folder) as name:
        bench = Bench(Path(name), sizes, environment(Path(name, "bytecode")))
        for section in options.only or SECTIONS:
            say(f"\n{section}: {(SECTIONS[section].__doc__ or '').strip()}")
            SECTIONS[section](bench)
            # After each section, so that a run that is ended early has told what it found.
            document = _document(bench)
            options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            if options.markdown is not None:
                options.markdown.write_text(page(document), encoding="utf-8")


def _document(bench: Bench) -> dict[str, Any]:
    """Return everything that was measured, and where."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)),
        "memory_gb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        "versions": {
            "Python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "safetensors")},
            **{name: pins[0].partition("==")[2] for name, pins in PINS.items()},
        },
        "sizes": asdict(bench.sizes),
        "facts": bench.facts,
        "bases": bench.bases,
        "runs": {
            section: {name: [asdict(run) for run in found] for name, found in runs.items()}
            for section, runs in bench.runs.items()
        },
    }


if __name__ == "__main__":
    main()

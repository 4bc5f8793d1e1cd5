"""What planning costs beyond the opcodes: ``python -m benchmarks.planning FILE``.

Processor seconds, in one process: opening and planning a whole checkpoint, and reading the same
pickle into a graph, in turns. The difference, divided by the number of tensors, is what a tensor
costs to find, check, name and lay out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time

from converter.conversion import planned
from converter.garbage import collector_paused
from converter.inert.machine import read_graph
from converter.limits import DEFAULT_LIMITS
from converter.readers.opening import open_checkpoint
from converter.writing.options import DEFAULT_OPTIONS


def opcode_seconds(path: str) -> float:
    """Return what reading the main pickle takes."""
    checkpoint = open_checkpoint(path)
    (record, _), *_ = checkpoint.opened.graphs
    del checkpoint
    from converter.byteio.local import FileSource
    from converter.containers.zip_archive import read_zip

    with FileSource(path) as source:
        found = read_zip(source).find(record)
        if found is None:
            message = f"no record {record}"
            raise RuntimeError(message)
        begin = time.process_time()
        graph = read_graph(found.data)
        seconds = time.process_time() - begin
    del graph
    return seconds


def planning_seconds(path: str) -> tuple[float, int]:
    """Return what opening and planning take, opcodes included, and how many tensors there are."""
    begin = time.process_time()
    checkpoint = open_checkpoint(path)
    with collector_paused():
        plan = planned(checkpoint, "model.safetensors", DEFAULT_OPTIONS, DEFAULT_LIMITS)
    seconds = time.process_time() - begin
    count = len(plan.files[0].entries)
    checkpoint.close()
    return seconds, count


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("file")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    opcodes, beyond = [], []
    count = 0
    for _ in range(options.rounds):
        opcodes.append(opcode_seconds(options.file))
        seconds, count = planning_seconds(options.file)
        beyond.append(seconds - opcodes[-1])
    result = {
        "tensors": count,
        "opcodes_us_per_tensor": statistics.median(opcodes) / count * 1e6,
        "beyond_us_per_tensor": statistics.median(beyond) / count * 1e6,
        "beyond_over_opcodes": statistics.median(
            one / other for one, other in zip(beyond, opcodes, strict=True)
        ),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()

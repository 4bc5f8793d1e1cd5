"""How fast a pickle becomes a graph: ``python -m benchmarks.opcodes``.

The stream is that of a state_dict of about a million opcodes, as torch.save writes it. Three
programs read it in turns, in one process; what one of them made is freed within its turn. The
ratio is the median of the ratios within one round, which disturbs it least when the machine is
busy with other things:

* ours: `converter.inert.machine.read_graph`, which keeps every value, call and offset;
* genops: ``pickletools.genops`` exhausted, which keeps nothing and executes nothing;
* torch: ``torch._weights_only_unpickler``, which executes the stream. Its storages are taken from
  a prepared mapping of empty tensors, so that no byte of tensor data is read; rebuilding the
  tensors is what it is for, and is part of its time.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import pickletools
import statistics
import sys
import time
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph

if TYPE_CHECKING:
    from collections.abc import Callable

HAS_TORCH = importlib.util.find_spec("torch") is not None
OPCODES_PER_TENSOR = 29


def torch_stream(tensor_count: int) -> bytes:
    """Return the data.pkl of a state_dict of `tensor_count` tensors of 4 values."""
    import torch

    names = ("weight", "bias", "running_mean", "running_var")
    state_dict = OrderedDict(
        (f"layers.{number // 4}.norm.{names[number % 4]}", torch.zeros(2, 2))
        for number in range(tensor_count)
    )
    file = io.BytesIO()
    torch.save(state_dict, file)
    with zipfile.ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        return archive.read(name)


def written_stream(tensor_count: int) -> bytes:
    """Return nearly the same stream, written here opcode by opcode."""
    parts = [b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01("]
    parts.append(b"ctorch._utils\n_rebuild_tensor_v2\nq\x02X\x07\0\0\0storageq\x03")
    parts.append(b"ctorch\nFloatStorage\nq\x04X\x03\0\0\0cpuq\x050000")

    def text(value: str) -> bytes:
        return b"X" + len(value).to_bytes(4, "little") + value.encode()

    memo = 6

    def put() -> bytes:
        nonlocal memo
        memo += 1
        return b"r" + memo.to_bytes(4, "little")

    for number in range(tensor_count):
        parts += [text(f"layers.{number // 4}.norm.{number % 4}"), put(), b"h\x02((h\x03h\x04"]
        parts += [text(str(number)), put(), b"h\x05K\x04t", put(), b"QK\0K\x02K\x02\x86", put()]
        parts += [b"K\x02K\x01\x86", put(), b"\x89h\0)R", put(), b"t", put(), b"R", put()]
    parts.append(b"u.")
    return b"".join(parts)


def run_ours(stream: bytes) -> int:
    """Read the stream into a graph and return its number of opcodes."""
    graph = read_graph(MemorySource(stream, "benchmark"))
    if graph.error is not None:
        raise graph.error
    return graph.opcode_count


def run_genops(stream: bytes) -> int:
    """Decode the stream and return its number of opcodes."""
    return sum(1 for _ in pickletools.genops(stream))


def torch_runner(tensor_count: int) -> Callable[[bytes], int]:
    """Return what loads the stream with torch and returns the number of tensors."""
    import torch
    from torch import _weights_only_unpickler as unpickler

    storages = {
        str(number): torch.storage.TypedStorage(
            wrap_storage=torch.UntypedStorage(16), dtype=torch.float32, _internal=True
        )
        for number in range(tensor_count)
    }

    def persistent_load(pid: tuple[Any, ...]) -> object:
        return storages[pid[2]]

    def run(stream: bytes) -> int:
        machine = unpickler.Unpickler(io.BytesIO(stream), encoding="utf-8")
        machine.persistent_load = persistent_load
        loaded = machine.load()
        if len(loaded) != tensor_count:
            message = f"torch loaded {len(loaded)} tensors of {tensor_count}"
            raise RuntimeError(message)
        return len(loaded)

    return run


def timings(
    runners: dict[str, Callable[[bytes], int]], stream: bytes, rounds: int
) -> dict[str, list[float]]:
    """Return processor seconds per round; in each round every runner has its turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            begin = time.process_time()
            runner(stream)
            seconds[name].append(time.process_time() - begin)
    return seconds


def report(seconds: dict[str, list[float]], opcode_count: int) -> str:
    """Return the table of results."""
    lines = [f"{'':8}{'median':>10}{'min':>10}{'max':>10}{'ns/opcode':>12}{'ratio':>8}"]
    for name, values in seconds.items():
        median = statistics.median(values)
        ratio = statistics.median(
            value / ours for value, ours in zip(values, seconds["ours"], strict=True)
        )
        lines.append(
            f"{name:8}{median:9.3f}s{min(values):9.3f}s{max(values):9.3f}s"
            f"{median / opcode_count * 1e9:12.0f}{ratio:8.2f}"
        )
    return "\n".join(lines)


def figures(seconds: dict[str, list[float]], opcode_count: int) -> dict[str, float]:
    """Return what each takes for an opcode, and how it compares with ours in the same round."""
    ours = seconds["ours"]
    found: dict[str, float] = {"opcodes": opcode_count}
    for name, values in seconds.items():
        found[f"{name}, ns an opcode"] = statistics.median(values) / opcode_count * 1e9
        if name != "ours":
            pairs = zip(values, ours, strict=True)
            found[f"{name} over ours"] = statistics.median(one / other for one, other in pairs)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--opcodes", type=int, default=1_000_000, help="about how many")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-torch", action="store_true", help="neither write nor read with it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    tensor_count = options.opcodes // OPCODES_PER_TENSOR
    runners: dict[str, Callable[[bytes], int]] = {"ours": run_ours, "genops": run_genops}
    stream = written_stream(tensor_count)
    if HAS_TORCH and not options.no_torch:
        stream = torch_stream(tensor_count)
        runners["torch"] = torch_runner(tensor_count)
    opcode_count = run_ours(stream)
    seconds = timings(runners, stream, options.rounds)
    out = sys.stdout
    if options.json:
        out.write(json.dumps(figures(seconds, opcode_count)) + "\n")
        return
    out.write(f"{tensor_count:,} tensors, {opcode_count:,} opcodes, {len(stream):,} bytes, ")
    out.write(f"{options.rounds} rounds\n")
    out.write(report(seconds, opcode_count) + "\n")


if __name__ == "__main__":
    main()

"""What one would write without depickle: ``python -m benchmarks.torch_route SRC DST [--mmap]``.

The output is flushed before the process ends, as the others do.
"""

from __future__ import annotations

import argparse
import os


def flat(value: object, prefix: str = "") -> dict[str, object]:
    """Return the tensors of a nested checkpoint by dotted names."""
    import torch

    if isinstance(value, torch.Tensor):
        return {prefix or "tensor": value.contiguous()}
    pairs = value.items() if isinstance(value, dict) else ()
    found: dict[str, object] = {}
    for key, item in pairs:
        found |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found


def main() -> None:
    """Load, save, flush."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--mmap", action="store_true")
    options = parser.parse_args()
    import torch
    from safetensors.torch import save_file

    loaded = torch.load(options.source, weights_only=True, mmap=options.mmap, map_location="cpu")
    if all(isinstance(value, torch.Tensor) for value in loaded.values()):
        tensors = {name: tensor.contiguous() for name, tensor in loaded.items()}
    else:
        tensors = flat(loaded)
    save_file(tensors, options.target)
    descriptor = os.open(options.target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    main()

"""The checkpoints that are measured, made by torch itself: ``python -m benchmarks.inputs``.

Run as a process of its own, so that what it imports and allocates is in no measurement.
"""

from __future__ import annotations

import argparse
import random
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TENSORS: Final = 300
_CONTENTS: Final = 10
_NAMES: Final = ("weight", "bias", "running_mean", "running_var")


def write_large(path: Path, nbytes: int) -> None:
    """Write a state_dict of 300 tensors of random values, in all of `nbytes`."""
    import torch

    count = nbytes // TENSORS // 4
    noise = torch.randn(count)
    torch.save(
        OrderedDict((f"blocks.{i}.weight", torch.roll(noise, i)) for i in range(TENSORS)), path
    )


def write_hollow(path: Path, nbytes: int) -> None:
    """Write the same without its values: the file is as long, and holes take their place."""
    import torch

    count = nbytes // TENSORS // 4
    with torch.serialization.skip_data():
        torch.save(
            OrderedDict((f"blocks.{i}.weight", torch.empty(count)) for i in range(TENSORS)), path
        )


def write_many(path: Path, count: int) -> None:
    """Write a state_dict of `count` tensors of 4 values, each a storage of its own."""
    import torch

    torch.save(
        OrderedDict(
            (f"layers.{i // 4}.norm.{_NAMES[i % 4]}", torch.randn(4)) for i in range(count)
        ),
        path,
    )


def write_bundle(path: Path, nbytes: int) -> None:
    """Write a model with AdamW's state, as a training loop does."""
    import torch

    size = 1024
    blocks = max(1, nbytes // (3 * 4 * size * size))
    model = torch.nn.Sequential(*(torch.nn.Linear(size, size) for _ in range(blocks)))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, size)).sum().backward()
    optimizer.step()
    torch.save(
        {
            "model_state_dict": model.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "epoch": 3,
        },
        path,
    )


def write_legacy(path: Path, nbytes: int) -> None:
    """Write the layout from before torch 1.6."""
    import torch

    tensors = OrderedDict((f"w{i}", torch.randn(nbytes // 64 // 4)) for i in range(64))
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def write_strided(path: Path, nbytes: int) -> None:
    """Write transposed matrices, whose bytes must be put into another order."""
    import torch

    size = 2048
    count = max(1, nbytes // (size * size * 4))
    torch.save(OrderedDict((f"w{i}", torch.randn(size, size).T) for i in range(count)), path)


def write_small(path: Path, _: int) -> None:
    """Write a state_dict of ten small tensors."""
    import torch

    torch.save(OrderedDict((f"layer{i}.weight", torch.randn(8, 8)) for i in range(10)), path)


def write_files(folder: Path, count: int) -> None:
    """Write a folder of `count` such checkpoints, of ten different contents."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number}.pth"
        if number < _CONTENTS:
            write_small(path, 0)
        else:
            path.write_bytes((folder / f"{number % _CONTENTS}.pth").read_bytes())


def write_different(folder: Path, count: int) -> None:
    """Write a folder of `count` small checkpoints of other names, shapes and numbers of tensors."""
    import torch

    folder.mkdir()
    for number in range(count):
        draw = random.Random(number)  # noqa: S311 - what a model looks like
        prefix = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 12)))
        tensors = [
            (f"{prefix}.{i}.weight", torch.randn(draw.randint(2, 16), draw.randint(2, 16)))
            for i in range(draw.randint(5, 15))
        ]
        torch.save(OrderedDict(tensors), folder / f"{number}.pth")


WRITERS: Final[dict[str, Callable[[Path, int], None]]] = {
    "large": write_large,
    "hollow": write_hollow,
    "many": write_many,
    "bundle": write_bundle,
    "legacy": write_legacy,
    "strided": write_strided,
    "small": write_small,
    "files": write_files,
    "different": write_different,
}
"""Kind of input → what writes it to a path, given bytes or a number of tensors or files."""


def main() -> None:
    """Write the inputs that the command line names, each as KIND:AMOUNT:PATH."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("inputs", nargs="+", metavar="KIND:AMOUNT:PATH")
    for text in parser.parse_args().inputs:
        kind, amount, path = text.split(":", 2)
        WRITERS[kind](Path(path), int(amount))


if __name__ == "__main__":
    main()

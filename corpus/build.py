"""Makes every file of the corpus; running it again leaves no difference.

    python corpus/build.py            # with torch 2.13.0, the release the corpus is made with

One function per file, registered in `RECIPES` by hand. Benign objects only; hostile files are
written opcode by opcode and name a tripwire that exists nowhere.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

HERE: Final = Path(__file__).parent


def training_run(path: Path) -> None:
    """Write what a training loop keeps: model, AdamW, scheduler, counters, random states.

    Nothing is computed: results of a real step depend on the processor it ran on.
    """
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 36, 10),
    )
    state_dict = model.state_dict()
    for number, tensor in enumerate(state_dict.values()):
        _fill(tensor, number)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3).state_dict()
    optimizer["state"] = {
        number: {
            "step": torch.tensor(3.0),
            "exp_avg": _fill(torch.empty_like(parameter), number + 100),
            "exp_avg_sq": _fill(torch.empty_like(parameter), number + 200).abs(),
        }
        for number, parameter in enumerate(p.detach() for p in model.parameters())
    }
    torch.save(
        {
            "epoch": 3,
            "state_dict": state_dict,
            "optimizer": optimizer,
            "scheduler": {"step_size": 2, "gamma": 0.5, "base_lrs": [1e-3], "last_epoch": 3},
            "loss": 0.1234,
            "history": [0.9, 0.3, 0.1234],
            "rng": {"torch": _random_state(), "python": random.Random(2017).getstate()},
            "args": {"lr": 1e-3, "batch_size": 8, "augment": ("flip", "crop")},
        },
        path,
    )


def _fill(tensor: torch.Tensor, number: int) -> torch.Tensor:
    """Fill a tensor with values that are exact in every float type that holds them."""
    count = torch.arange(tensor.numel(), dtype=torch.float64)
    values = (count * 7 + number) % 251 / 256 - 0.5
    if not tensor.is_floating_point():
        values = torch.full_like(count, 3)
    return tensor.copy_(values.reshape(tensor.shape))


def _random_state() -> torch.Tensor:
    return torch.Generator().manual_seed(2017).get_state()


RECIPES: Final[dict[str, Callable[[Path], None]]] = {
    "bundle/training_run.pth.tar": training_run,
}
"""Path below the corpus → the function that writes it."""


def main() -> None:
    """Write every file."""
    for name, write in RECIPES.items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)


if __name__ == "__main__":
    main()

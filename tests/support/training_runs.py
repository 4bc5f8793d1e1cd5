"""Small training runs that can be stopped, saved, and gone on with: one per kind of optimizer.

Everything is on the CPU, in one thread and seeded, so that two runs of the same steps end with the
same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


class Net(torch.nn.Module):
    """A few layers with what checkpoints have: buffers, tied weights, an embedding."""

    def __init__(self, *, sparse: bool = False) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(11, 6, sparse=sparse)
        self.hidden = torch.nn.Linear(6, 6)
        self.norm = torch.nn.BatchNorm1d(6)
        self.head = torch.nn.Linear(6, 11, bias=False)
        if not sparse:
            self.head.weight = self.embed.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.norm(self.hidden(self.embed(words)))))


@dataclass
class Run:
    """One run: its models, optimizers and schedulers, and the losses so far."""

    models: dict[str, Any]
    optimizers: dict[str, Any]
    schedulers: dict[str, Any] = field(default_factory=dict)
    scaler: Any = None
    steps: int = 0
    losses: list[float] = field(default_factory=list)

    def train(self, steps: int) -> Run:
        """Go on for some steps; what each sees depends on its number alone."""
        for _ in range(steps):
            source = torch.Generator().manual_seed(self.steps)
            words = torch.randint(0, 11, (8,), generator=source)
            targets = torch.randint(0, 11, (8,), generator=source)
            for name, optimizer in self.optimizers.items():
                closure = _closure(self.models[name], optimizer, words, targets)
                if isinstance(optimizer, torch.optim.LBFGS):
                    loss = optimizer.step(closure)
                else:
                    loss = closure()
                    optimizer.step()
                self.losses.append(float(loss))
            for scheduler in self.schedulers.values():
                scheduler.step()
            if self.scaler is not None:
                self.scaler.update(2.0 ** (10 + self.steps % 3))
            self.steps += 1
        return self

    def bundle(self) -> dict[str, Any]:
        """Return what a training script would save."""
        saved: dict[str, Any] = {
            "epoch": self.steps,
            "losses": list(self.losses),
            "rng": torch.get_rng_state(),
            "best": float("-inf"),
        }
        for name, model in self.models.items():
            saved[f"{name}_state_dict"] = model.state_dict()
        for name, optimizer in self.optimizers.items():
            saved[f"{name}_optimizer"] = optimizer.state_dict()
        for name, scheduler in self.schedulers.items():
            saved[f"{name}_scheduler"] = scheduler.state_dict()
        if self.scaler is not None:
            saved["scaler"] = self.scaler.state_dict()
        return saved

    def resume(self, saved: dict[str, Any]) -> Run:
        """Take up what was saved."""
        for name, model in self.models.items():
            model.load_state_dict(saved[f"{name}_state_dict"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(saved[f"{name}_optimizer"])
        for name, scheduler in self.schedulers.items():
            scheduler.load_state_dict(saved[f"{name}_scheduler"])
        if self.scaler is not None:
            self.scaler.load_state_dict(saved["scaler"])
        self.steps = saved["epoch"]
        self.losses = list(saved["losses"])
        torch.set_rng_state(saved["rng"])
        return self

    def weights(self) -> dict[str, bytes]:
        """Return the bits of every weight and buffer."""
        return {
            f"{name}.{key}": tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()
            for name, model in self.models.items()
            for key, tensor in model.state_dict().items()
        }


def _closure(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    words: torch.Tensor,
    targets: torch.Tensor,
) -> Callable[[], torch.Tensor]:
    def loss_of() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(words), targets)
        loss.backward()
        return loss

    return loss_of


def _one(make: Callable[[Any], Any], *, sparse: bool = False) -> Run:
    torch.manual_seed(7)
    model = Net(sparse=sparse)
    return Run({"model": model}, {"model": make(model)})


def _adamw() -> Run:
    run = _one(lambda model: torch.optim.AdamW(model.parameters(), lr=0.01))
    run.schedulers["model"] = torch.optim.lr_scheduler.OneCycleLR(
        run.optimizers["model"], max_lr=0.1, total_steps=40
    )
    run.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    run.scaler.scale(torch.ones(()))
    return run


def _milestones() -> Run:
    run = _one(lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
    run.schedulers["model"] = torch.optim.lr_scheduler.MultiStepLR(
        run.optimizers["model"], milestones=[3, 3, 7], gamma=0.5
    )
    return run


def _groups() -> Run:
    return _one(
        lambda model: torch.optim.Adam(
            [
                {"params": list(model.hidden.parameters()), "lr": 0.02},
                {"params": [model.embed.weight], "betas": (0.8, 0.9), "name": "tied"},
                {"params": list(model.norm.parameters()), "weight_decay": 0.1},
            ],
            lr=0.01,
        )
    )


def _sparse() -> Run:
    torch.manual_seed(7)
    model = Net(sparse=True)
    return Run(
        {"embed": model, "rest": model},
        {
            "embed": torch.optim.SparseAdam(model.embed.parameters(), lr=0.01),
            "rest": torch.optim.Adagrad(
                [*model.hidden.parameters(), *model.head.parameters()], lr=0.05
            ),
        },
    )


def _gan() -> Run:
    torch.manual_seed(7)
    models = {"generator": Net(), "discriminator": Net()}
    return Run(
        models,
        {
            "generator": torch.optim.RMSprop(models["generator"].parameters(), momentum=0.5),
            "discriminator": torch.optim.NAdam(models["discriminator"].parameters()),
        },
    )


RUNS: Final[dict[str, Callable[[], Run]]] = {
    "adamw": _adamw,
    "momentum": _milestones,
    "amsgrad": lambda: _one(
        lambda model: torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    ),
    "lbfgs": lambda: _one(
        lambda model: torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4, history_size=5)
    ),
    "sparse": _sparse,
    "groups": _groups,
    "gan": _gan,
}
"""Name → a run that begins, always in the same way."""

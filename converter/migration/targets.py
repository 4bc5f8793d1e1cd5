"""What each output is called: the same place below the destination, another ending."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUFFIX: Final = ".safetensors"
CHECKPOINT_SUFFIXES: Final = (
    *(".pth.tar", ".pt.tar", ".ckpt.tar"),
    *(".pt", ".pth", ".tar", ".bin", ".ckpt", ".pkl", ".pickle", ".safetensors", ".npy", ".npz"),
    *(".joblib", ".jit", ".ptl", ".pt2", ".model", ".weights", ".params"),
)
"""Endings that people give to checkpoints, the longer ones first."""


def target_names(names: Iterable[str], taken: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return name → name of its output, each another one.

    ``runs/a.pth.tar`` becomes ``runs/a.safetensors``. Names that would become the same keep their
    ending, all of them: which one was found first decides nothing.

    Args:
        names: of the candidates, relative and with slashes.
        taken: the same for earlier candidates.
    """
    used = set((taken or {}).values())
    short = {name: without_suffix(name) + SUFFIX for name in names}
    wanted = Counter(short.values())
    targets = {}
    for name in sorted(short, key=lambda name: (wanted[short[name]] > 1, name)):
        target = short[name] if wanted[short[name]] == 1 else name + SUFFIX
        while target in used:
            target += SUFFIX
        used.add(target)
        targets[name] = target
    return {name: targets[name] for name in short}


def without_suffix(name: str) -> str:
    """Return a name without the ending of a checkpoint, unless nothing else is left."""
    lowered = name.lower()
    for suffix in CHECKPOINT_SUFFIXES:
        if lowered.endswith(suffix):
            rest = name[: -len(suffix)]
            return name if not rest or rest.endswith("/") else rest
    return name

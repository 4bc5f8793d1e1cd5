"""Optimizers, before and after their first steps."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from converter.strategies.arguments import check_choices, check_count
from converter.strategies.modules import modules

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from hypothesis.strategies import DrawFn, SearchStrategy

# Name of a class in torch.optim → ways to call it, the plainest first.
_OPTIMIZERS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "SGD": ({"lr": 0.1}, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "Adam": ({"lr": 0.01}, {"lr": 0.01, "amsgrad": True, "betas": (0.5, 0.75)}),
    "AdamW": ({"lr": 0.01},),
    "RMSprop": ({"lr": 0.01}, {"lr": 0.01, "centered": True, "momentum": 0.5}),
    "Adagrad": ({"lr": 0.01},),
}
OPTIMIZER_NAMES: Final[tuple[str, ...]] = tuple(_OPTIMIZERS)
"""Classes of `torch.optim` that `optimizers` makes."""


def optimizers(
    *, names: Sequence[str] | None = None, max_steps: int = 2
) -> SearchStrategy[torch.optim.Optimizer]:
    """Generate optimizers over the parameters of small models.

    Those that took steps hold state under integer keys: counters, moments, buffers. Parameters
    stand in one group or in two.

    Examples shrink towards ``SGD(lr=0.1)`` without momentum, over one linear layer, no step taken.

    Args:
        names: classes of ``torch.optim``, of `OPTIMIZER_NAMES`; None for all of them.
        max_steps: the most steps that they have taken.
    """
    return _optimizers(names, max_steps)


@st.composite
def _optimizers(draw: DrawFn, names: Sequence[str] | None, max_steps: int) -> torch.optim.Optimizer:
    import torch

    chosen = check_choices("names", names, OPTIMIZER_NAMES)
    check_count("max_steps", max_steps)
    name = draw(st.sampled_from(chosen))
    options = draw(st.sampled_from(_OPTIMIZERS[name]))
    module = draw(modules(max_depth=1, max_children=2))
    parameters = [one for one in module.parameters() if one.is_leaf and one.requires_grad]
    if not parameters:
        parameters = [torch.nn.Parameter(torch.zeros(2))]
    cut = draw(st.integers(0, len(parameters) - 1))
    groups = [{"params": part} for part in (parameters[:cut], parameters[cut:]) if part]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch speaks of its own parts as they are first used
        optimizer = getattr(torch.optim, name)(groups, **options)
        for step in range(draw(st.integers(0, max_steps))):
            for parameter in parameters:
                parameter.grad = torch.full_like(parameter, 0.5 + step)
            optimizer.step()
    return optimizer

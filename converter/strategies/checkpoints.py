"""What people hand to ``torch.save``, in the four styles in which they do."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from converter.strategies.arguments import check_choice
from converter.strategies.modules import modules
from converter.strategies.optimizers import optimizers
from converter.strategies.tensors import tensor_groups
from converter.strategies.values import loose_values

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

STYLES: Final[tuple[str, ...]] = ("state_dict", "module", "bundle", "multi_model")
"""What `checkpoints` makes: tensors by name, a whole model, a training run, several models."""

_NAMES: Final = st.one_of(
    st.sampled_from(["weight", "bias", "conv1.weight", "module.fc.bias", "0.running_mean"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
_MODEL_KEYS: Final = ("generator", "discriminator", "encoder", "teacher_model")


def checkpoints(*, style: str | None = None) -> SearchStrategy[Any]:
    """Generate live objects as people give them to ``torch.save``.

    ``state_dict``: names to tensors that may share storages, be the same object under two names,
    be parameters, and stand beside a plain value. ``module``: a whole model, as `modules` makes
    it. ``bundle``: a state_dict or a model, an optimizer's state, a scheduler's, counters, random
    states and whatever else a training loop remembers. ``multi_model``: a dict of at least two
    models, some of them whole.

    Examples shrink towards one float32 tensor called ``weight``; a bundle or several models
    towards the fewest entries, each as small.

    Args:
        style: one of `STYLES`; None for any of them.
    """
    return _checkpoints(style)


@st.composite
def _checkpoints(draw: DrawFn, style: str | None) -> Any:  # noqa: ANN401 - what people save
    kind = draw(st.sampled_from(check_choice("style", style, STYLES)))
    if kind == "state_dict":
        return draw(state_dicts())
    if kind == "module":
        return draw(modules())
    return draw(_bundles() if kind == "bundle" else _several_models())


@st.composite
def state_dicts(draw: DrawFn) -> dict[str, Any]:
    """Generate names of at least one tensor, as a dict or as an ``OrderedDict`` with metadata."""
    import torch

    groups = draw(st.lists(tensor_groups(), min_size=1, max_size=3))
    pool: list[Any] = [tensor for group in groups for tensor in group]
    for index, tensor in enumerate(pool):
        if draw(st.booleans()):
            pool[index] = torch.nn.Parameter(tensor.detach(), requires_grad=tensor.requires_grad)
    pool += draw(st.lists(st.sampled_from(pool), max_size=2))  # tied: one object, two names
    names = draw(st.lists(_NAMES, min_size=len(pool), max_size=len(pool), unique=True))
    found: dict[str, Any] = dict(zip(names, pool, strict=True))
    if draw(st.booleans()):
        found.setdefault("num_batches", 3)
    if draw(st.booleans()):
        ordered = OrderedDict(found)
        ordered._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]  # noqa: SLF001 - as torch.nn.Module.state_dict does
        return ordered
    return found


@st.composite
def _bundles(draw: DrawFn) -> dict[Any, Any]:
    found: dict[Any, Any] = {"epoch": draw(st.integers(0, 9))}
    if draw(st.booleans()):
        found["model"] = draw(modules())
    else:
        found["state_dict"] = draw(state_dicts())
    if draw(st.booleans()):
        found["optimizer"] = draw(optimizers()).state_dict()
    if draw(st.booleans()):
        found["scheduler"] = {"step_size": 2, "last_epoch": found["epoch"], "base_lrs": [0.1]}
    if draw(st.booleans()):
        found["rng_state"] = draw(tensor_groups(dtypes=["uint8"], max_count=1))[0].detach()
    if draw(st.booleans()):
        found["args"] = draw(loose_values())
    return found


@st.composite
def _several_models(draw: DrawFn) -> dict[Any, Any]:
    keys = draw(st.lists(st.sampled_from(_MODEL_KEYS), min_size=2, max_size=3, unique=True))
    found: dict[Any, Any] = {}
    for key in keys:
        whole = draw(st.booleans())
        found[key] = draw(modules(max_depth=1) if whole else state_dicts())
    if draw(st.booleans()):
        found["optimizer"] = draw(optimizers()).state_dict()
    if draw(st.booleans()):
        found["args"] = draw(loose_values())
    return found

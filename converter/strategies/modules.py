"""Trees of real ``torch.nn`` layers and of classes that exist nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from converter.strategies.arguments import check_count
from converter.strategies.invented import CLASS_NAMES, invented_class
from converter.strategies.tensors import tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from hypothesis.strategies import DrawFn, SearchStrategy

_CHILD_NAMES: Final = ("body", "head", "conv1", "fc", "0", "é")
_TENSOR_NAMES: Final = ("scale", "bias", "table", "mask", "anchors")
_DTYPES: Final = ("float32", "float64", "bfloat16", "float16")

# Name of a class in torch.nn → ways to call it, the plainest first.
_LAYERS: Final[dict[str, tuple[tuple[tuple[Any, ...], dict[str, Any]], ...]]] = {
    "Linear": (((2, 3), {}), ((3, 2), {"bias": False})),
    "ReLU": (((), {}), ((), {"inplace": True})),
    "Conv2d": (((1, 2, 3), {}), ((2, 2, 1), {"groups": 2, "bias": False})),
    "BatchNorm1d": (
        ((3,), {}),
        ((2,), {"affine": False}),
        ((2,), {"track_running_stats": False}),
    ),
    "LayerNorm": (((3,), {}), (((2, 2),), {"elementwise_affine": False})),
    "Embedding": (((4, 2), {}), ((4, 2), {"padding_idx": 1})),
    "LSTM": (((2, 1), {}), ((1, 2), {"bidirectional": True, "bias": False})),
    "PReLU": (((), {}), ((3,), {})),
    "Dropout": (((0.25,), {}),),
    "MultiheadAttention": (((2, 1), {}), ((2, 1), {"kdim": 3, "vdim": 1})),
    "Flatten": (((), {}),),
}


def modules(
    *, max_depth: int = 2, max_children: int = 3, invented: bool = True
) -> SearchStrategy[torch.nn.Module]:
    """Generate models whose tensors hold numbers of their own.

    They are made of real layers, of ``Sequential``, ``ModuleList`` and ``ModuleDict``, and of
    classes invented on the fly: with parameters of any shape, None in place of a parameter or a
    buffer, buffers that are persistent and buffers that are not, plain attributes, one child under
    two names, one parameter in two places. Some are in evaluation mode, some wrapped in
    ``DataParallel``. They cannot be called: only what they hold matters.

    Examples shrink towards ``Linear(2, 3)``.

    Args:
        max_depth: how deep containers may nest; with 0 there are only single layers.
        max_children: the most children of a container.
        invented: whether classes may occur that exist nowhere but in this process.
    """
    return _modules(max_depth, max_children, invented)


@st.composite
def _modules(
    draw: DrawFn,
    max_depth: int,
    max_children: int,
    invented: bool,  # noqa: FBT001 - Hypothesis passes on what it was given
) -> torch.nn.Module:
    import torch

    check_count("max_depth", max_depth)
    check_count("max_children", max_children)
    with torch.random.fork_rng(devices=[]):
        builder = _Builder(draw, max_children, invented=invented)
        module = builder.module(max_depth)
        _number(module)
        if draw(st.booleans()):
            module.eval()
        wrapped = draw(st.booleans()) if max_depth else False
        return torch.nn.DataParallel(module) if wrapped else module


class _Builder:
    """Builds one tree, and remembers its parts so that they can occur again."""

    def __init__(self, draw: DrawFn, max_children: int, *, invented: bool) -> None:
        import torch

        self._draw: Final = draw
        self._nn: Final = torch.nn
        self._dtype: Final = getattr(torch, draw(st.sampled_from(_DTYPES)))
        self._max_children: Final = max_children
        self._made: Final[list[torch.nn.Module]] = []
        self._parameters: Final[list[torch.nn.Parameter]] = []
        containers = {
            "Sequential": self._sequential,
            "ModuleList": self._listed,
            "ModuleDict": self._named,
        }
        self._containers: Final[dict[str, Callable[[int], torch.nn.Module]]] = (
            {**containers, "invented": self._invented} if invented else dict(containers)
        )

    def module(self, depth: int) -> torch.nn.Module:
        """Return a layer, a container of at most this depth, or a module there is already."""
        kinds = ["layer", *self._containers] if depth else ["layer"]
        kind = self._draw(st.sampled_from([*kinds, "again"] if self._made else kinds))
        if kind == "again":
            return self._draw(st.sampled_from(self._made))
        made = self._layer() if kind == "layer" else self._containers[kind](depth - 1)
        self._made.append(made)
        return made

    def _layer(self) -> torch.nn.Module:
        name = self._draw(st.sampled_from(list(_LAYERS)))
        args, options = self._draw(st.sampled_from(_LAYERS[name]))
        return getattr(self._nn, name)(*args, **options).to(self._dtype)

    def _children(self, depth: int) -> list[torch.nn.Module]:
        count = self._draw(st.integers(0, self._max_children))
        return [self.module(depth) for _ in range(count)]

    def _sequential(self, depth: int) -> torch.nn.Module:
        return self._nn.Sequential(*self._children(depth))

    def _listed(self, depth: int) -> torch.nn.Module:
        return self._nn.ModuleList(self._children(depth))

    def _named(self, depth: int) -> torch.nn.Module:
        children = self._children(depth)
        return self._nn.ModuleDict(dict(zip(_CHILD_NAMES, children, strict=False)))

    def _invented(self, depth: int) -> torch.nn.Module:
        draw = self._draw
        module = invented_class(draw(st.sampled_from(CLASS_NAMES)))()
        for name in draw(st.lists(st.sampled_from(_TENSOR_NAMES), max_size=3, unique=True)):
            self._add_tensor(module, name)
        for name, child in zip(_CHILD_NAMES, self._children(depth), strict=False):
            module.add_module(name, child)
        module.size = draw(st.integers(0, 9))
        return module

    def _add_tensor(self, module: torch.nn.Module, name: str) -> None:
        draw = self._draw
        kinds = ["parameter", "buffer", "not persistent", "no parameter", "no buffer"]
        kind = draw(st.sampled_from([*kinds, "tied"] if self._parameters else kinds))
        plain = tensors(dtypes=["float32"], views=False)
        if kind == "parameter":
            made = self._nn.Parameter(draw(plain).detach(), requires_grad=draw(st.booleans()))
            self._parameters.append(made)
            module.register_parameter(name, made)
        elif kind == "tied":
            module.register_parameter(name, draw(st.sampled_from(self._parameters)))
        elif kind == "no parameter":
            module.register_parameter(name, None)
        elif kind == "no buffer":
            module.register_buffer(name, None)
        else:
            buffer = draw(tensors(max_dims=2)).detach()
            module.register_buffer(name, buffer, persistent=kind == "buffer")


def _number(module: torch.nn.Module) -> None:
    """Give every parameter numbers that tell it from the others: no chance is left in them."""
    import torch

    with torch.no_grad():
        for index, parameter in enumerate(module.parameters()):
            numbers = torch.arange(parameter.numel(), dtype=torch.float32).view(parameter.shape)
            parameter.copy_(numbers / 8 + index)

"""Tensors of every element type and every way of lying in a storage."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from converter.dtypes import BY_NAME, DType
from converter.strategies.arguments import check_choices, check_count
from converter.strategies.showing import show_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from hypothesis.strategies import DrawFn, SearchStrategy

# Name → (bits of the exponent, bits of the fraction). Those of complex types are of each half.
_FLOATS: Final = {
    "float64": (11, 52),
    "float32": (8, 23),
    "float16": (5, 10),
    "bfloat16": (8, 7),
    "complex128": (11, 52),
    "complex64": (8, 23),
    "complex32": (5, 10),
}
# A negative view is the imaginary half of a conjugate: torch has these three.
_NEGATIVE: Final = frozenset({"float64", "float32", "float16"})
_DIFFERENTIABLE: Final = frozenset({"float64", "float32", "float16", "bfloat16", "complex64"})

DTYPE_NAMES: Final[tuple[str, ...]] = (
    *("float32", "int64", "bool", "float16", "bfloat16", "float64", "complex64", "complex128"),
    *("uint8", "int8", "int16", "int32", "uint16", "uint32", "uint64", "complex32"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"),
    *("float4_e2m1fn_x2", "bits8", "bits16", "bits1x8", "bits2x4", "bits4x2"),
)
"""Every dense dtype that `torch.save` takes, the plainest first; quantised ones are not dense."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a tensor lies in its storage, in elements.

    Attributes:
        shape: sizes.
        stride: steps.
        offset: the first element.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @property
    def span(self) -> int:
        """Return how many elements the storage must have at least."""
        if 0 in self.shape:
            return 0
        steps = zip(self.shape, self.stride, strict=True)
        return self.offset + 1 + sum((size - 1) * step for size, step in steps)


def tensors(
    *,
    dtypes: Sequence[str] | None = None,
    max_dims: int = 3,
    max_side: int = 4,
    views: bool = True,
) -> SearchStrategy[torch.Tensor]:
    """Generate dense tensors on the CPU.

    Among their elements are NaNs with payloads, -0.0, subnormal numbers and infinities, and bytes
    that are whatever they are. They may have no dimensions or no elements, be transposed, have
    gaps, repeat elements (stride 0), overlap themselves, start anywhere in a larger storage, carry
    torch's conjugate or negative bit, and ask for gradients.

    Examples shrink towards a contiguous float32 tensor of the numbers 0, 1, 2, … without
    dimensions.

    Args:
        dtypes: names without ``torch.``, of `DTYPE_NAMES`; None for all that this torch has.
        max_dims: the most dimensions.
        max_side: the largest size of a dimension.
        views: whether they may be anything else than contiguous and alone in their storage.
    """
    return tensor_groups(
        dtypes=dtypes, max_dims=max_dims, max_side=max_side, views=views, max_count=1
    ).map(lambda group: group[0])


@st.composite
def tensor_groups(
    draw: DrawFn,
    *,
    dtypes: Sequence[str] | None = None,
    max_dims: int = 3,
    max_side: int = 4,
    views: bool = True,
    max_count: int = 3,
) -> list[torch.Tensor]:
    """Generate tensors that lie in one storage: the same, overlapping or apart.

    Examples shrink towards a list of one tensor, and that one as those of `tensors` do.

    Args:
        draw: supplied by Hypothesis.
        dtypes: as in `tensors`; all tensors of a group have the same one.
        max_dims: as in `tensors`.
        max_side: as in `tensors`.
        views: as in `tensors`.
        max_count: the most tensors; there is at least one.
    """
    show_tensors()
    check_count("max_dims", max_dims)
    check_count("max_side", max_side)
    check_count("max_count", max_count, least=1)
    dtype = BY_NAME[draw(st.sampled_from(_available(dtypes)))]
    places = draw(st.lists(geometries(max_dims, max_side, views=views), min_size=1,
                           max_size=max_count))  # fmt: skip
    slack = draw(st.integers(0, 2)) if views else 0
    base = draw(_storages(dtype, max(place.span for place in places) + slack))
    return [draw(_views(base, dtype, place, lazy=views)) for place in places]


@st.composite
def geometries(
    draw: DrawFn, max_dims: int = 3, max_side: int = 4, *, views: bool = True
) -> Geometry:
    """Generate ways to lie in a storage; the first, to which they shrink, is a single number."""
    shape = tuple(draw(st.lists(st.integers(0, max_side), max_size=max_dims)))
    stride = _row_major(shape)
    if not views:
        return Geometry(shape, stride, 0)
    way = draw(st.sampled_from(["contiguous", "transposed", "gaps", "expanded", "anyhow"]))
    if way == "transposed" and shape:
        order = draw(st.permutations(range(len(shape))))
        packed = _row_major(tuple(shape[axis] for axis in order))
        placed = dict(zip(order, packed, strict=True))
        stride = tuple(placed[axis] for axis in range(len(shape)))
    elif way == "gaps":
        step = draw(st.integers(2, 3))
        stride = tuple(step * one for one in stride)
    elif way == "expanded":
        stride = tuple(0 if draw(st.booleans()) else one for one in stride)
    elif way == "anyhow":
        stride = tuple(draw(st.integers(0, 5)) for _ in shape)
    return Geometry(shape, stride, draw(st.integers(0, 3)))


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps: list[int] = []
    step = 1
    for size in reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return tuple(reversed(steps))


def _available(dtypes: Sequence[str] | None) -> list[str]:
    """Return the names of element types that this release of torch has."""
    import torch

    asked = check_choices("dtypes", dtypes, DTYPE_NAMES)
    found = [name for name in asked if hasattr(torch, name)]
    if not found:
        msg = f"dtypes={dtypes!r}: torch {torch.__version__} has none of them"
        raise InvalidArgument(msg)
    return found


def _counted(dtype: DType, numel: int) -> bytearray:
    """Return the bytes of the numbers 0, 1, 2, …, or of as many different elements."""
    import torch

    if dtype.name in _FLOATS or dtype.name.startswith(("int", "uint", "float8_e4m3fn")):
        numbers = torch.arange(numel, dtype=torch.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # complex32 is called experimental
            raw = numbers.to(getattr(torch, dtype.name)).view(torch.uint8) if numel else numbers
        return bytearray(raw.numpy().tobytes())
    top = 2 if dtype.name == "bool" else 251
    return bytearray(
        byte for i in range(numel) for byte in (i % top).to_bytes(dtype.itemsize, "little")
    )


@st.composite
def _storages(draw: DrawFn, dtype: DType, numel: int) -> torch.Tensor:
    """Generate one-dimensional tensors that are their whole storage."""
    import torch

    raw = _counted(dtype, numel)
    if numel:
        odd = st.dictionaries(st.integers(0, numel - 1), _elements(dtype), max_size=4)
        for at, element in draw(odd).items():
            raw[at * dtype.itemsize : (at + 1) * dtype.itemsize] = element
        return torch.frombuffer(raw, dtype=torch.uint8).clone().view(getattr(torch, dtype.name))
    return torch.empty(0, dtype=getattr(torch, dtype.name))


def _elements(dtype: DType) -> SearchStrategy[bytes]:
    """Generate the bytes of one element, those that conversions get wrong among them."""
    if dtype.name == "bool":
        return st.sampled_from([b"\0", b"\1"])
    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    top = (1 << (8 * width)) - 1
    known = [0, 1, (top + 1) // 2, top]
    if dtype.name in _FLOATS:
        exponent, fraction = _FLOATS[dtype.name]
        infinity = ((1 << exponent) - 1) << fraction
        sign = (top + 1) // 2
        known = [
            *(0, sign, 1, sign | 1),  # zeros and the smallest subnormal numbers
            *((1 << fraction) - 1, infinity, sign | infinity),
            *(infinity | 1, infinity | 1 << (fraction - 1) | 5, top),  # NaNs
        ]
    numbers = st.one_of(st.sampled_from(known), st.integers(0, top))
    number = numbers.map(lambda bits: bits.to_bytes(width, "little"))
    return st.tuples(number, number).map(b"".join) if dtype.is_complex else number


@st.composite
def _views(
    draw: DrawFn, base: torch.Tensor, dtype: DType, place: Geometry, *, lazy: bool
) -> torch.Tensor:
    """Generate one view of a storage, with the bits and the gradient that its type may have."""
    bit = draw(st.booleans()) if lazy else False
    if bit and dtype.name in _NEGATIVE and base.numel() > 1:
        base = _negative(base)
    view: Any = base.as_strided(place.shape, place.stride, place.offset)
    if bit and dtype.is_complex:
        view = view.conj()
    if dtype.name in _DIFFERENTIABLE and draw(st.booleans()):
        view.requires_grad_()
    return view


def _negative(base: torch.Tensor) -> torch.Tensor:
    """Return a view of the same storage that reads its numbers negated."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # complex32 is called experimental
        pairs = base[: base.numel() // 2 * 2].view(-1, 2)
        return torch.view_as_complex(pairs).conj().imag

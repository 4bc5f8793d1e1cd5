"""The verifier's element addressing against torch, on views of every kind."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME
from converter.limits import Limits
from converter.verification.boxes import iter_values

torch: Any = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental"),
]

INTEGERS = ["int64", "int32", "int16", "int8", "uint8"]
DTYPES = ["float64", "float32", "float16", "bfloat16", *INTEGERS]
COMPLEX = ["complex128", "complex64", "complex32"]
OTHERS = ["bool", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]


def base_of(dtype: str, seed: int) -> tuple[bytes, Any]:
    """A storage of 4,096 bytes that are valid in the dtype, and torch's view of it."""
    raw = bytearray(random.Random(seed).randbytes(4_096))  # noqa: S311 - not for secrets
    if dtype == "bool":
        raw = bytearray(byte & 1 for byte in raw)
    return bytes(raw), torch.frombuffer(raw, dtype=torch.uint8).view(getattr(torch, dtype))


def narrowed(view: Any, axis: int, one: int, other: int) -> Any:  # noqa: ANN401 - torch is Any
    start = one % (view.shape[axis] + 1)
    return view.narrow(axis, start, other % (view.shape[axis] - start + 1))


def stepped(view: Any, axis: int, one: int, other: int) -> Any:  # noqa: ANN401 - as above
    index = [slice(None)] * view.dim()
    index[axis] = slice(one % 4, None, 1 + other % 5)
    return view[tuple(index)]


def split(view: Any, axis: int, one: int, _: int) -> Any:  # noqa: ANN401 - as above
    inner = (2, 3, 4, 16)[one % 4]
    size = view.shape[axis]
    return view if size % inner else view.unflatten(axis, (size // inner, inner))


def moved(view: Any, axis: int, one: int, _: int) -> Any:  # noqa: ANN401 - as above
    return view.movedim(axis, one % view.dim())


def selected(view: Any, axis: int, one: int, _: int) -> Any:  # noqa: ANN401 - as above
    return view.select(axis, one % view.shape[axis]) if view.shape[axis] else view


def unfolded(view: Any, axis: int, one: int, _: int) -> Any:  # noqa: ANN401 - as above
    roomy = view.shape[axis] >= 2 and view.numel() < 5_000
    return view.unfold(axis, 2, 1 + one % 2) if roomy else view


def expanded(view: Any, _: int, one: int, __: int) -> Any:  # noqa: ANN401 - as above
    return view.expand(one % 4, *view.shape) if view.numel() < 5_000 else view


def widened(view: Any, axis: int, _: int, __: int) -> Any:  # noqa: ANN401 - as above
    return view.unsqueeze(axis)


OPERATIONS = [narrowed, stepped, split, moved, selected, unfolded, expanded, widened]
RECIPES = st.lists(st.tuples(st.sampled_from(OPERATIONS), *[st.integers(0, 3_000)] * 3), max_size=7)
Recipe = list[tuple[Callable[[Any, int, int, int], Any], int, int, int]]


def viewed(view: Any, recipe: Recipe) -> Any:  # noqa: ANN401 - as above
    """Apply operations that make views, as a program would."""
    for operation, axis, one, other in recipe:
        if view.dim():
            view = operation(view, axis % view.dim(), one, other)
    return view


def bytes_of(tensor: Any) -> bytes:  # noqa: ANN401 - as above
    flat = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)
    flat = flat.as_strided(flat.shape, (1,), flat.storage_offset())
    return bytes(flat.view(torch.uint8).numpy().tobytes())


def ref_of(raw: bytes, tensor: Any, dtype: str) -> TensorRef:  # noqa: ANN401 - as above
    return TensorRef(
        Storage("0", MemorySource(raw, "base"), len(raw), None, "cpu"),
        BY_NAME[dtype],
        tuple(tensor.shape),
        tuple(tensor.stride()),
        tensor.storage_offset(),
        conj=tensor.is_conj(),
        neg=tensor.is_neg(),
    )


def values_of(ref: TensorRef, budget: int) -> bytes:
    limits = Limits(gather_chunk_bytes=budget)
    return b"".join(bytes(piece) for piece in iter_values(ref, limits, "t"))


BUDGETS = st.sampled_from([500, 5_000, 1 << 25])


@given(RECIPES, st.sampled_from([*DTYPES, *COMPLEX, *OTHERS]), BUDGETS, st.integers(0, 9))
def test_views(recipe: Recipe, dtype: str, budget: int, seed: int) -> None:
    raw, base = base_of(dtype, seed)
    view = viewed(base, recipe)
    # Not complex32: torch conjugates it by way of float32, which quiets a signalling NaN.
    if dtype in ("complex128", "complex64") and seed % 2:
        view = view.conj()
    assert values_of(ref_of(raw, view, dtype), budget) == bytes_of(view)


@given(RECIPES, st.sampled_from(["float64", "float32", *INTEGERS]), st.integers(0, 9))
def test_negative_views(recipe: Recipe, dtype: str, seed: int) -> None:
    # Not float16, bfloat16 and complex: there torch gives NaN and 0 another sign in some places
    # of one tensor than in others, as its loops happen to be vectorised.
    raw, base = base_of(dtype, seed)
    view = torch._neg_view(viewed(base, recipe))  # noqa: SLF001 - how imag of a conj is made
    assert view.is_neg()
    assert values_of(ref_of(raw, view, dtype), 5_000) == bytes_of(view)


def test_conjugate_of_ordinary_halves() -> None:
    base = (torch.arange(1, 200) / 8 * (1 + 2j)).to(torch.complex32)
    view = base[::3].conj()
    assert values_of(ref_of(bytes_of(base), view, "complex32"), 5_000) == bytes_of(view)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", *COMPLEX])
def test_negative_views_of_ordinary_numbers(dtype: str) -> None:
    numbers = torch.arange(1, 200) / 8
    if dtype in COMPLEX:
        numbers = numbers * (1 + 2j)
    base = numbers.to(getattr(torch, dtype))
    view = torch._neg_view(base)  # noqa: SLF001 - as above
    assert values_of(ref_of(bytes_of(base), view, dtype), 5_000) == bytes_of(view)


def test_imaginary_part_of_a_conjugate() -> None:
    base = torch.tensor([1 + 2j, 3 - 4j, float("nan") + 0j])
    view = base.conj().imag
    assert view.is_neg()
    assert values_of(ref_of(bytes_of(base), view, "float32"), 5_000) == bytes_of(view)

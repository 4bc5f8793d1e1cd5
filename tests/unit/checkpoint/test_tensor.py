"""A reference tells where its elements lie, exactly; one that leaves its storage is refused.

What is expected is counted element by element, or comes from numpy's own strided views.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef, byte_range, check_bounds
from converter.dtypes import BY_NAME
from converter.errors import LimitError, TensorError
from converter.limits import Limits

LIMITS = Limits()
VIEWS = st.integers(0, 4).flatmap(
    lambda dims: st.tuples(
        st.tuples(*[st.integers(0, 3)] * dims),
        st.tuples(*[st.integers(0, 5)] * dims),
        st.integers(0, 5),
        st.sampled_from(["uint8", "int16", "float32", "complex64", "complex128"]),
    )
)


def made(
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int = 0,
    *,
    dtype: str = "float32",
    nbytes: int = 64,
) -> TensorRef:
    storage = Storage("7", MemorySource(bytes(nbytes), "made"), nbytes, None, "cpu")
    return TensorRef(storage, BY_NAME[dtype], shape, stride, offset)


@given(VIEWS)
def test_numbers_are_those_of_its_elements(
    view: tuple[tuple[int, ...], tuple[int, ...], int, str],
) -> None:
    shape, stride, offset, dtype = view
    itemsize = BY_NAME[dtype].itemsize
    elements = [
        offset + sum(i * step for i, step in zip(index, stride, strict=True))
        for index in product(*map(range, shape))
    ]
    array = np.lib.stride_tricks.as_strided(
        np.zeros(1, f"V{itemsize}"), shape, [step * itemsize for step in stride]
    )
    tensor = made(shape, stride, offset, dtype=dtype)
    assert (tensor.numel, tensor.nbytes) == (len(elements), len(elements) * itemsize)
    if elements:  # where nothing lies, any answer is right
        assert tensor.is_contiguous == array.flags.c_contiguous
    touched = {at * itemsize + byte for at in elements for byte in range(itemsize)}
    start, stop = tensor.byte_range
    assert (start, stop) == ((min(touched), max(touched) + 1) if touched else (0, 0))
    check_bounds(replace(tensor, storage=made((), (), nbytes=stop).storage), LIMITS, "a")
    if stop:
        short = replace(tensor, storage=made((), (), nbytes=stop - 1).storage)
        with pytest.raises(TensorError) as caught:
            check_bounds(short, LIMITS, "a")
        assert caught.value.found == f"an element that ends at byte {stop}"
        assert caught.value.expected == f"at most {stop - 1} bytes in storage 7"


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2), (3, 0, 2)])
def test_empty_tensors_as_torch_lays_them_out_are_contiguous(shape: tuple[int, ...]) -> None:
    stride: list[int] = []
    for size in reversed(shape[1:]):
        stride.append((stride[-1] if stride else 1) * max(size, 1))
    assert made(shape, (*reversed(stride), 1)).is_contiguous


@pytest.mark.parametrize(
    ("dtype", "numel", "nbytes"),
    [
        ("quint4x2", 0, 0),
        ("quint4x2", 1, 1),
        ("quint4x2", 2, 1),
        ("quint4x2", 3, 2),
        ("quint2x4", 1, 1),
        ("quint2x4", 4, 1),
        ("quint2x4", 5, 2),
        ("quint2x4", 9, 3),
    ],
)
def test_packed_values_share_bytes(dtype: str, numel: int, nbytes: int) -> None:
    tensor = made((numel,), (1,), dtype=dtype)
    assert tensor.nbytes == nbytes
    assert tensor.byte_range == (0, nbytes)
    per_byte = 2 if dtype == "quint4x2" else 4
    later = byte_range(BY_NAME[dtype], (numel,), (1,), 3 * per_byte)
    assert later == ((3, 3 + nbytes) if numel else (0, 0))


def test_aliases_are_the_same_view_of_the_same_storage() -> None:
    first = made((2, 3), (3, 1), 1)
    assert replace(first, requires_grad=True).view_key() == first.view_key()
    others = [
        replace(first, storage=made((), ()).storage),
        replace(first, dtype=BY_NAME["int32"]),
        replace(first, shape=(3, 2)),
        replace(first, stride=(1, 2)),
        replace(first, offset=0),
        replace(first, conj=True),
        replace(first, neg=True),
    ]
    assert len({one.view_key() for one in (first, *others)}) == 8


@pytest.mark.parametrize(
    "tensor",
    [
        made((-1,), (1,)),
        made((2, -1), (1, 1)),
        made((1,), (-1,)),
        made((1, 1), (1, -1)),
        made((0,), (-1,)),
        made((), (), -1),
        made((0,), (1,), -1),
    ],
)
def test_negative_numbers_are_refused(tensor: TensorRef) -> None:
    with pytest.raises(TensorError, match="negative size, stride or offset") as caught:
        check_bounds(tensor, LIMITS, "archive/data.pkl")
    assert caught.value.record == "archive/data.pkl"


@pytest.mark.parametrize(("shape", "stride"), [((2,), ()), ((), (1,)), ((2, 2), (1,))])
def test_sizes_and_strides_are_as_many(shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
    with pytest.raises(TensorError) as caught:
        check_bounds(made(shape, stride), LIMITS, "a")
    assert caught.value.expected == f"{len(shape)} strides"
    assert caught.value.found == str(len(stride))


def test_as_many_dimensions_as_the_limit_allows() -> None:
    limits = LIMITS._replace(max_dims=3)
    check_bounds(made((1,) * 3, (1,) * 3), limits, "a")
    with pytest.raises(LimitError) as caught:
        check_bounds(made((1,) * 4, (1,) * 4), limits, "a")
    assert (caught.value.limit, caught.value.expected) == ("max_dims", "at most 3")


def test_as_much_overlap_as_the_limit_allows() -> None:
    limits = LIMITS._replace(max_overlap_bytes=40)
    check_bounds(made((26,), (0,), nbytes=64), limits, "a")  # 104 bytes of 64
    with pytest.raises(LimitError) as caught:
        check_bounds(made((27,), (0,), nbytes=64), limits, "a")
    assert (caught.value.limit, caught.value.expected) == ("max_overlap_bytes", "at most 40")
    assert caught.value.found == "44"
    # Overlap without a stride of 0 grows no faster than its storage times its dimensions.
    check_bounds(made((8, 9), (1, 1), nbytes=64), limits, "a")

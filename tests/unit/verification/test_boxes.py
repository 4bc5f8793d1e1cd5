"""Boxes and values against an oracle that looks every element up by itself."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import ByteSource
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME
from converter.limits import Limits
from converter.verification.boxes import iter_values
from tests.unit.verification.references import counting, row_major, storage_of, tensor_of

LIMITS: Final = Limits()


def values_of(tensor: TensorRef, limits: Limits = LIMITS) -> bytes:
    return b"".join(bytes(piece) for piece in iter_values(tensor, limits, "t"))


def looked_up(raw: bytes, tensor: TensorRef) -> bytes:
    """The oracle: every index, the slow way, without signs and byte order."""
    unit = tensor.dtype.itemsize
    found = []
    for index in itertools.product(*map(range, tensor.shape)):
        at = tensor.offset + sum(i * step for i, step in zip(index, tensor.stride, strict=True))
        found.append(raw[at * unit : (at + 1) * unit])
    return b"".join(found)


@st.composite
def views(draw: st.DrawFn) -> tuple[bytes, TensorRef]:
    """A view of any kind over bytes that are there."""
    dtype = draw(st.sampled_from(["uint8", "bfloat16", "float32", "complex64", "complex128"]))
    shape = draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 8]), max_size=4))
    stride = draw(st.lists(st.sampled_from([0, 1, 2, 3, 7, 40]), min_size=4, max_size=4))
    if draw(st.booleans()):
        order = draw(st.permutations(range(len(shape))))
        permuted = row_major([shape[axis] for axis in order])
        stride = [permuted[order.index(axis)] for axis in range(len(shape))]
    offset = draw(st.integers(0, 9))
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=False) if n)
    raw = counting((last + 1) * BY_NAME[dtype].itemsize)
    return raw, tensor_of(raw, dtype, shape, stride[: len(shape)], offset)


@given(views(), st.sampled_from([1, 300, 4_000, 1 << 25]))
def test_values_in_logical_order(view: tuple[bytes, TensorRef], budget: int) -> None:
    raw, tensor = view
    assert values_of(tensor, Limits(gather_chunk_bytes=budget)) == looked_up(raw, tensor)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("offset", [0, 1, 7, 12])
@pytest.mark.parametrize(
    ("shape", "stride"),
    [
        ((3, 2, 5), (20_000, 6_001, 1)),
        ((2, 3, 5), (6_001, 20_000, 3)),
        ((4, 3), (1, 9_999)),
        ((3, 1_500), (40_000, 2)),
    ],
)
def test_values_of_rows_that_lie_far_apart(
    dtype: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    raw = counting((last + 1) * BY_NAME[dtype].itemsize)
    tensor = tensor_of(raw, dtype, shape, stride, offset)
    for budget in (1 << 25, 512):
        assert values_of(tensor, Limits(gather_chunk_bytes=budget)) == looked_up(raw, tensor)


@pytest.mark.parametrize(
    ("dtype", "raw", "flags", "expected"),
    [
        ("float32", "0000803f0000c07f", "neg", "000080bf0000c0ff"),
        ("float16", "003c0000", "neg", "00bc0080"),
        ("bfloat16", "803f", "neg", "80bf"),
        ("float64", "0100000000000080", "neg", "0100000000000000"),
        ("int16", "0100008000000080", "neg", "ffff008000000080"),
        ("uint8", "00017fff", "neg", "00ff8101"),
        ("complex64", "0000803f00000040", "conj", "0000803f000000c0"),
        ("complex64", "0000803f00000040", "neg", "000080bf000000c0"),
        ("complex64", "0000803f00000040", "conj neg", "000080bf00000040"),
        ("complex32", "003c0040", "conj", "003c00c0"),
        ("complex128", "00" * 16, "conj", "00" * 15 + "80"),
        ("int32", "01020304", "big", "04030201"),
        ("float64", "0102030405060708", "big", "0807060504030201"),
        ("complex64", "0102030405060708", "big", "0403020108070605"),
        ("complex64", "3f80000040000000", "big conj", "0000803f000000c0"),
        ("uint8", "0102", "big", "0102"),
        ("float32", "3f800000", "big neg", "000080bf"),
        ("quint4x2", "0102", "", "0102"),
    ],
)
def test_what_the_bits_mean(dtype: str, raw: str, flags: str, expected: str) -> None:
    storage = storage_of(bytes.fromhex(raw), big_endian="big" in flags)
    count = len(raw) // 2 // BY_NAME[dtype].itemsize * BY_NAME[dtype].packed
    tensor = tensor_of(storage, dtype, (count,), conj="conj" in flags, neg="neg" in flags)
    assert values_of(tensor).hex() == expected


def test_storage_is_left_alone() -> None:
    raw = bytearray(counting(64))
    tensor = tensor_of(bytes(raw), "complex64", (4, 2), (1, 4), conj=True, neg=True)
    values_of(tensor)
    assert tensor.storage.data is not None
    assert tensor.storage.data.read_at(0, 64) == raw


class _Zeros(ByteSource):
    """As many zeros as one likes, remembering the longest read."""

    __slots__ = ("longest",)

    def __init__(self, nbytes: int) -> None:
        self.name = "zeros"
        self.nbytes = nbytes
        self.longest = 0

    def _read(self, offset: int, nbytes: int) -> bytes:
        self.longest = max(self.longest, nbytes)
        return bytes(nbytes)


@pytest.mark.parametrize("stride", [(1, 3_000), (3_000, 1), (6_000, 2), (0, 1), (1, 0)])
def test_no_read_is_longer_than_the_limit(stride: tuple[int, int]) -> None:
    zeros = _Zeros(1 << 28)
    tensor = tensor_of(storage_of(zeros), "float32", (3_000, 3_000), stride)
    limits = Limits(gather_chunk_bytes=1 << 20)
    pieces = [len(piece) for piece in iter_values(tensor, limits, "t")]
    assert sum(pieces) == tensor.nbytes
    assert max(pieces) <= 1 << 20
    assert zeros.longest <= 1 << 20


def test_modules_wait_for_numpy() -> None:
    code = "import sys, converter.verification; print('numpy' in sys.modules)"
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert outcome.stdout.strip() == "False"

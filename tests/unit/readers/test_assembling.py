"""Chunks put together by reference: only those that fit, and nothing is copied without need."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME
from converter.errors import TensorError, UnsupportedError
from converter.readers.assembling import Chunk, assemble, cut_flat, slice_flat
from converter.readers.rebuild.numpy_values import contiguous_stride
from tests.support.logical_bytes import logical_bytes

BYTE = BY_NAME["uint8"]
SHORT = BY_NAME["int16"]


def tensor(data: bytes, shape: tuple[int, ...], **changes: object) -> TensorRef:
    """Return a dense tensor over bytes in memory."""
    storage = Storage("0", MemorySource(data, "chunk"), len(data), BYTE, "cpu")
    return replace(TensorRef(storage, BYTE, shape, contiguous_stride(shape), 0), **changes)  # type: ignore[arg-type]


def test_chunks_become_one_tensor() -> None:
    left, right = tensor(b"abef", (2, 2)), tensor(b"cg", (2, 1))
    column = tensor(b"d-h", (2, 1), stride=(2, 1))
    chunks = [Chunk((0, 2), right), Chunk((0, 0), left), Chunk((0, 3), column)]
    whole = assemble("w", BYTE, (2, 4), chunks)
    assert logical_bytes(whole) == b"abcdefgh"
    assert (whole.stride, whole.offset, whole.storage.key) == ((4, 1), 0, "w")


def test_a_single_chunk_stays_as_it_lies() -> None:
    turned = tensor(b"abcdef", (2, 3), stride=(1, 2))
    assert assemble("w", BYTE, (2, 3), [Chunk((0, 0), turned)]) is turned


def test_chunks_without_elements_count_for_nothing() -> None:
    chunks = [Chunk((0, 0), tensor(b"ab", (1, 2))), Chunk((1, 0), tensor(b"", (0, 2)))]
    assert logical_bytes(assemble("w", BYTE, (1, 2), chunks)) == b"ab"
    empty = assemble("w", BYTE, (0, 2), chunks[1:])
    assert (empty.shape, empty.nbytes, empty.storage.nbytes) == ((0, 2), 0, 0)


def test_bits_that_all_chunks_have_stay() -> None:
    halves = [Chunk((i,), tensor(b"ab", (2,), neg=True)) for i in (0, 2)]
    assert assemble("w", BYTE, (4,), halves).neg


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (Chunk((2,), tensor(b"ab", (1,), dtype=SHORT)), "chunk of another dtype"),
        (Chunk((2,), tensor(b"ab", (2, 1))), "another number of dimensions"),
        (Chunk((2, 0), tensor(b"ab", (2,))), "another number of dimensions"),
        (Chunk((3,), tensor(b"ab", (2,))), "outside its tensor"),
        (Chunk((1,), tensor(b"ab", (2,))), "overlap"),
        (Chunk((2,), tensor(b"a", (1,))), r"missing: w: .*\[3:4\]"),
    ],
)
def test_chunks_that_do_not_fit(chunk: Chunk, text: str) -> None:
    with pytest.raises(TensorError, match=text):
        assemble("w", BYTE, (4,), [Chunk((0,), tensor(b"ab", (2,))), chunk])


def test_chunks_that_differ_in_kind() -> None:
    big = tensor(b"cd", (2,))
    big = replace(big, storage=replace(big.storage, big_endian=True))
    meta = tensor(b"cd", (2,))
    meta = replace(meta, storage=replace(meta.storage, data=None, location="meta"))
    for other in (big, meta, tensor(b"cd", (2,), conj=True)):
        with pytest.raises(UnsupportedError):
            assemble("w", BYTE, (4,), [Chunk((0,), tensor(b"ab", (2,))), Chunk((2,), other)])


def test_tensors_cut_out_of_flat_parts() -> None:
    parts = [tensor(b"abc", (3,)), tensor(b"d", (1,)), tensor(b"efgh", (4,))]
    inside = cut_flat("w", parts, 5, (3, 1))
    assert logical_bytes(inside) == b"fgh"
    assert inside.storage is parts[2].storage
    assert logical_bytes(cut_flat("w", parts, 1, (2, 2))) == b"bcde"
    assert logical_bytes(cut_flat("w", parts, 8, (0, 3))) == b""
    assert logical_bytes(cut_flat("w", parts, 0, ())) == b"a"
    stepping = tensor(b"a-b-c-d-", (4,), stride=(2,))
    assert logical_bytes(cut_flat("w", [stepping], 1, (1, 2))) == b"bc"
    assert logical_bytes(cut_flat("w", [stepping, parts[0]], 3, (2,))) == b"da"
    with pytest.raises(TensorError, match=r"missing: w: .*\[2:3\]"):
        cut_flat("w", parts, 6, (3,))


def test_slices() -> None:
    assert logical_bytes(slice_flat(tensor(b"abcd", (4,)), 1, 2)) == b"bc"

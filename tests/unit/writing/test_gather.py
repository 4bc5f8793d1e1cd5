"""Tests of the bytes of a tensor."""

from __future__ import annotations

import struct
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from converter.checkpoint.tensor import TensorRef
from converter.errors import TensorError, UnsupportedError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.writing.gather import TensorBytes, stream_tensor
from converter.writing.scattered import is_better_scattered
from converter.writing.strided import reduce_view
from tests.unit.writing.made import storage, tensor, view

TINY = Limits(copy_chunk_bytes=5, gather_chunk_bytes=16)


def gathered(one: TensorRef, limits: Limits = TINY) -> bytes:
    found = bytearray()
    assert stream_tensor(one, found.extend, limits) == one.nbytes == len(found)
    placed = bytearray(one.nbytes)
    for position, piece in TensorBytes(one, limits).iter_placed():
        placed[position : position + len(piece)] = piece
    assert placed == found
    return bytes(found)


def test_contiguous_bytes_come_in_chunks_of_whole_elements() -> None:
    one = tensor(bytes(range(24)), "float32", 6)
    chunks = [bytes(chunk) for chunk in TensorBytes(one, Limits(copy_chunk_bytes=10))]
    assert chunks == [bytes(range(8)), bytes(range(8, 16)), bytes(range(16, 24))]


def test_chunk_smaller_than_an_element_is_an_element() -> None:
    assert gathered(tensor(bytes(range(32)), "complex128", 2)) == bytes(range(32))


def test_offset_counts_elements() -> None:
    assert gathered(view(storage(bytes(range(12))), "int16", (2,), offset=3)) == bytes([6, 7, 8, 9])


def test_transposed() -> None:
    one = view(storage(bytes(range(6))), "uint8", (3, 2), (1, 3))
    assert gathered(one) == bytes([0, 3, 1, 4, 2, 5])


def test_transposed_big_endian_and_negated() -> None:
    base = storage(bytes([0, 1, 0, 2, 0, 3, 0, 4]), big_endian=True)
    one = replace(view(base, "int16", (2, 2), (1, 2)), neg=True)
    assert gathered(one) == b"".join((-n).to_bytes(2, "little", signed=True) for n in (1, 3, 2, 4))


@pytest.mark.parametrize(("big_endian", "neg"), [(True, False), (False, True), (True, True)])
def test_blocks_of_a_large_matrix_are_resolved_too(*, big_endian: bool, neg: bool) -> None:
    side = 300
    numbers = [i * 7919 % 65_521 - 32_768 for i in range(side * side)]
    content = struct.pack(f"{'>' if big_endian else '<'}{len(numbers)}h", *numbers)
    base = storage(content, big_endian=big_endian)
    one = replace(view(base, "int16", (side, side), (1, side)), neg=neg)
    limits = Limits(gather_chunk_bytes=1 << 12)
    assert is_better_scattered(reduce_view(one), limits.gather_chunk_bytes)
    expected = [
        -numbers[row + column * side] if neg else numbers[row + column * side]
        for row in range(side)
        for column in range(side)
    ]
    wrapped = b"".join((n & 0xFFFF).to_bytes(2, "little") for n in expected)
    assert gathered(one, limits) == wrapped


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5)])
def test_empty_tensors_have_no_bytes(shape: tuple[int, ...]) -> None:
    assert gathered(view(storage(b""), "float32", shape, offset=99)) == b""
    assert gathered(view(storage(None), "float32", shape)) == b""


def test_no_dimensions() -> None:
    assert gathered(view(storage(bytes(range(8))), "float32", (), offset=1)) == bytes([4, 5, 6, 7])


def test_packed_values_are_their_bytes() -> None:
    one = view(storage(bytes(range(4))), "quint4x2", (3,), offset=2)
    assert gathered(one) == bytes([1, 2])


def test_tensor_outside_its_storage_is_refused() -> None:
    with pytest.raises(TensorError, match="outside its storage"):
        TensorBytes(view(storage(bytes(7)), "float32", (2,)), DEFAULT_LIMITS)


def test_unreadable_tensors_are_refused() -> None:
    with pytest.raises(UnsupportedError):
        TensorBytes(view(storage(None), "float32", (2,)), DEFAULT_LIMITS)
    with pytest.raises(UnsupportedError):
        TensorBytes(view(storage(bytes(9)), "quint4x2", (2, 2), (1, 2)), DEFAULT_LIMITS)


def test_contiguous_tensors_need_no_numpy() -> None:
    program = """
        import sys
        from converter.limits import DEFAULT_LIMITS
        from converter.writing.gather import TensorBytes
        from tests.unit.writing.made import floats
        assert b"".join(map(bytes, TensorBytes(floats(2), DEFAULT_LIMITS))) == bytes(range(8))
        assert "numpy" not in sys.modules
    """
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, cwd=root)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("way", ["chunks", "placed"])
def test_memory_does_not_grow_with_the_tensor(tmp_path: Path, way: str) -> None:
    """A transposed matrix of 300 MB, in a file without blocks, in a process of its own."""
    path = tmp_path / "sparse"
    side = 8660
    with path.open("wb") as stream:
        stream.truncate(side * side * 4)
    program = """
        import re, sys
        import numpy
        from pathlib import Path
        from converter.byteio.local import FileSource
        from converter.limits import DEFAULT_LIMITS
        from converter.writing.gather import TensorBytes
        from tests.unit.writing.made import storage, view

        def peak():
            status = Path("/proc/self/status").read_text()
            return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) << 10

        path, side, way = sys.argv[1], int(sys.argv[2]), sys.argv[3]
        one = TensorBytes(
            view(storage(FileSource(path)), "float32", (side, side), (1, side)), DEFAULT_LIMITS
        )
        before = peak()
        pieces = one if way == "chunks" else (piece for _, piece in one.iter_placed())
        assert sum(map(len, pieces)) == 4 * side * side
        print(peak() - before)
    """
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(path), str(side), way],
        check=True,
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert int(result.stdout) < DEFAULT_LIMITS.gather_chunk_bytes + (8 << 20)

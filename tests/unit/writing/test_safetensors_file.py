"""Tests of one written file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from converter.byteio.local import FileSource
from converter.byteio.sink import AtomicFile
from converter.byteio.source import Extent, WindowSource
from converter.errors import SinkError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.progress import SilentProgress
from converter.writing.copying import copy_extent
from converter.writing.options import WriteOptions
from converter.writing.plan import plan_output
from converter.writing.safetensors_file import write_file
from tests.unit.writing.made import checkpoint, storage, tensor, view
from tests.unit.writing.test_copying import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from converter.checkpoint.tensor import TensorRef
    from converter.writing.copying import Sink, WriteTrack
    from converter.writing.layout import FilePlan

TINY = Limits(copy_chunk_bytes=6, gather_chunk_bytes=8)


def planned(tensors: Mapping[str, TensorRef]) -> FilePlan:
    (file,) = plan_output(checkpoint(bare=True, m=tensors), WriteOptions(), DEFAULT_LIMITS).files
    return file


def written(plan: FilePlan, folder: Path) -> bytes:
    path = folder / "out.safetensors"
    seen = Seen()
    with AtomicFile(path) as sink:
        write_file(plan, sink, seen, TINY)
    assert sum(seen.amounts) == plan.nbytes
    return path.read_bytes()


def test_header_and_tensors_in_order(tmp_path: Path) -> None:
    plan = planned(
        {
            "b": tensor(bytes([5, 6]), "int8", 2),
            "w": tensor(bytes(range(8)), "float32", 2),
            "e": tensor(b"", "float64", 0),
            "t": view(storage(bytes([1, 2, 3, 4])), "uint8", (2, 2), (1, 2)),
        }
    )
    assert written(plan, tmp_path) == plan.header + bytes([*range(8), 5, 6, 1, 3, 2, 4])


def test_neighbours_in_a_file_are_copied_in_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in"
    path.write_bytes(bytes(range(100)))
    source = FileSource(path)
    base = storage(WindowSource(source, 10, 80, "record"))
    far = storage(WindowSource(source, 92, 8, "other"))
    swapped = storage(WindowSource(source, 0, 8, "swapped"), big_endian=True)
    plan = planned(
        {
            "a": view(base, "float32", (2,)),
            "b": view(base, "float32", (2,), offset=2),
            "c": view(far, "float32", (2,)),
            "d": view(swapped, "float32", (2,)),
            "e": view(base, "float32", (1,), offset=9),
        }
    )
    copied: list[tuple[int, int]] = []

    def noting(one: Extent, sink: Sink, at: int, track: WriteTrack, limits: Limits) -> None:
        copied.append((one.offset, one.nbytes))
        copy_extent(one, sink, at, track, limits)

    monkeypatch.setattr("converter.writing.safetensors_file.copy_extent", noting)
    monkeypatch.setattr("converter.byteio.short_reads.LONGEST_SHORT_NBYTES", 0)
    body = bytes([*range(10, 26), *range(92, 100), 3, 2, 1, 0, 7, 6, 5, 4, *range(46, 50)])
    assert written(plan, tmp_path) == plan.header + body
    assert copied == [(10, 16), (92, 8), (46, 4)]


def test_large_transposed_matrix_is_written_by_position(tmp_path: Path) -> None:
    side = 40
    content = bytes(i % 256 for i in range(side * side))
    plan = planned({"t": view(storage(content), "uint8", (side, side), (1, side))})
    expected = bytes(content[c * side + r] for r in range(side) for c in range(side))
    assert written(plan, tmp_path) == plan.header + expected


@pytest.mark.parametrize("wrong", [-1, 1])
def test_other_sizes_than_planned_are_an_error(tmp_path: Path, wrong: int) -> None:
    plan = planned({"w": tensor(bytes(8), "float32", 2)})
    object.__setattr__(plan, "data_nbytes", 8 + wrong)
    path = tmp_path / "out"
    with pytest.raises(SinkError, match="of another size than planned"), AtomicFile(path) as sink:
        write_file(plan, sink, SilentProgress(), DEFAULT_LIMITS)
    assert list(tmp_path.iterdir()) == []

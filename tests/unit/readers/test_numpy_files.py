"""Arrays of .npy and .npz files, by reference; those of objects read inertly."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from converter.checkpoint.canonical import Opened
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import ArrayValue, MappingValue
from converter.errors import ContainerError, LimitError, TensorError
from converter.limits import Limits
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.small_files import NUMBERS, npy_file, npz_file


def written(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version)
    return stream.getvalue()


def npz(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions(version: tuple[int, int]) -> None:
    opened = read_bytes(written(np.frombuffer(NUMBERS, "<f4"), version))
    assert (opened.container, opened.writer) == ("npy", "numpy.save")
    assert isinstance(opened.root, TensorRef)
    assert logical_bytes(opened.root) == NUMBERS


def test_unknown_version_and_other_magic() -> None:
    data = npy_file()
    with pytest.raises(ContainerError, match="npy file of another form"):
        read_bytes(data[:6] + b"\x04\x00" + data[8:])
    with pytest.raises(ContainerError, match="npy file of another form"):
        read_bytes(data[:7])


def test_column_major_and_big_endian() -> None:
    array = np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
    root = read_bytes(written(array)).root
    assert isinstance(root, TensorRef)
    assert (root.shape, root.stride) == ((2, 3), (1, 2))
    assert logical_bytes(root) == np.arange(6, dtype="<i4").tobytes()


def test_values_that_no_tensor_holds() -> None:
    for array in (np.array(["a", "bc"]), np.array(1.5)):
        root = read_bytes(written(array)).root
        assert isinstance(root, ArrayValue)
        assert root.data == array.tobytes()


def test_array_of_objects_is_read_inertly() -> None:
    opened = read_bytes(written(np.array([{"a": 1}, None], dtype=object)))
    assert isinstance(opened.root, ArrayValue)
    assert isinstance(opened.root.data, list)
    assert isinstance(opened.root.data[0], MappingValue)
    assert [label for label, _ in opened.graphs] == ["array"]


def object_file(content: bytes) -> bytes:
    whole = written(np.array([None], dtype=object))
    return whole[: whole.index(b"\n", 10) + 1] + content


def test_hostile_array_of_objects_is_seen() -> None:
    evil = b"\x80\x02cos\nsystem\n(U\x02lstR."
    opened = read_bytes(object_file(evil))
    assert [name.name for name in opened.graphs[0][1].globals] == ["system"]
    opened = read_bytes(object_file(pickle.dumps(None) + b"x" + evil))
    assert [name.name for name in opened.graphs[1][1].globals] == ["system"]
    opened = read_bytes(object_file(b"\xff"))
    assert opened.error is not None


def test_truncated_and_too_long() -> None:
    data = npy_file()
    with pytest.raises(TensorError, match="expected 16 bytes of elements, found 15, 1 are missing"):
        read_bytes(data[:-1])
    with pytest.raises(ContainerError, match="npy file is truncated"):
        read_bytes(data[:60])
    with pytest.raises(ContainerError, match="npy file is truncated"):
        read_bytes(data[:9])
    opened = read_bytes(data + b"x")
    assert [anomaly.code for anomaly in opened.anomalies] == ["trailing_bytes"]


def test_limits() -> None:
    with pytest.raises(LimitError, match="max_npy_header_bytes"):
        read_bytes(npy_file(), limits=Limits(max_npy_header_bytes=20))
    with pytest.raises(LimitError, match="max_dims"):
        read_bytes(npy_file().replace(b"(4,)", b"(2,2)"), limits=Limits(max_dims=1))
    with pytest.raises(LimitError, match="max_string_bytes"):
        read_bytes(written(np.array(["abc"])), limits=Limits(max_string_bytes=4))


def test_header_that_is_no_utf_8() -> None:
    header = b"\xff" * 4
    with pytest.raises(ContainerError, match="npy header is not UTF-8"):
        read_bytes(b"\x93NUMPY\x03\x00" + struct.pack("<I", len(header)) + header)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_npz(method: int) -> None:
    data = npz({"a.npy": npy_file(), "folder/b.npy": npy_file()}, method)
    opened = read_bytes(data, "a.npz")
    assert (opened.container, opened.writer) == ("npz", "numpy.savez")
    assert list(tensors_of(opened)) == ["a", "folder/b"]
    assert all(logical_bytes(tensor) == NUMBERS for tensor in tensors_of(opened).values())


def names(opened: Opened) -> list[str]:
    return [label for label, _ in opened.graphs]


def test_npz_with_objects_and_a_broken_member() -> None:
    data = npz(
        {
            "o.npy": written(np.array([None], dtype=object)),
            "broken.npy": npy_file()[:-1],
            "w.npy": npy_file(),
        }
    )
    opened = read_bytes(data)
    assert names(opened) == ["o.npy"]
    assert "npy file is truncated: file!broken.npy" in str(opened.error)
    assert list(tensors_of(opened)) == ["w"]


def test_npz_of_one_kind_only() -> None:
    assert read_bytes(npz_file()).container == "npz"
    with pytest.raises(ContainerError, match="zip archive that torch did not write"):
        read_bytes(npz({"w.npy": npy_file(), "readme.txt": b"x"}))

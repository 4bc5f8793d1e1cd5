"""Arrays that numpy wrote hold what numpy reads back."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import ArrayValue, MappingValue, PlainValue, SequenceValue
from tests.support.logical_bytes import logical_bytes, read_bytes

CODES = ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8", "c8", "c16")
NUMERIC = [f"{order}{code}" for order in "<>" for code in CODES]
NUMERIC += ["i1", "u1", "?"]
OTHER: list[object] = [
    "S3",
    "<U2",
    ">U2",
    "V5",
    "<M8[ns]",
    ">m8[25s]",
    "<M8",
    [("a", "<f4"), ("b", ">i2", (2, 3))],
    np.dtype([("a", "i1"), ("b", "<f8")], align=False),
    [("outer", [("inner", "<U4")])],
    [(("title", "name"), "|u1")],
]
SHAPES = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple)


def array_of(dtype: object, shape: tuple[int, ...], *, fortran: bool) -> np.ndarray:
    made: np.ndarray = np.zeros(shape, _dtype(dtype))
    flat = np.frombuffer(bytes(range(1, 1 + made.nbytes % 97)) * (made.nbytes + 1), np.uint8)
    if made.nbytes:
        made = np.frombuffer(flat[: made.nbytes].tobytes(), made.dtype).reshape(shape).copy()
    return np.asfortranarray(made) if fortran else made


def _dtype(dtype: object) -> np.dtype:
    return np.dtype(dtype)  # type: ignore[call-overload, no-any-return]


def saved(array: np.ndarray, version: tuple[int, int]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version)
    return stream.getvalue()


@given(
    st.sampled_from(NUMERIC),
    SHAPES,
    st.booleans(),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
def test_npy(dtype: str, shape: tuple[int, ...], fortran: bool, version: tuple[int, int]) -> None:  # noqa: FBT001
    data = saved(array_of(dtype, shape, fortran=fortran), version)
    expected = np.load(io.BytesIO(data))
    root = read_bytes(data).root
    assert isinstance(root, TensorRef)
    assert root.shape == expected.shape
    assert logical_bytes(root) == expected.astype(expected.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("dtype", OTHER, ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_npy_of_other_dtypes(dtype: object, shape: tuple[int, ...]) -> None:
    array = array_of(dtype, shape, fortran=False)
    data = saved(array, (1, 0))
    root = read_bytes(data).root
    assert isinstance(root, ArrayValue)
    assert root.data == np.load(io.BytesIO(data)).tobytes()
    assert root.shape == shape


@pytest.mark.parametrize("dtype", [*NUMERIC, *OTHER, object], ids=str)
def test_dtype_is_described_as_its_pickle_describes_it(dtype: object) -> None:
    """The header of a file and the state of a pickle must become the same description."""
    array = np.zeros((), _dtype(dtype))
    from_file = read_bytes(saved(array, (1, 0))).root
    pickled = read_bytes(pickle.dumps(array.dtype, 4)).root
    assert isinstance(from_file, ArrayValue)
    assert plain(from_file.dtype) == plain(pickled)


def plain(value: object) -> object:
    """Return a value as nested tuples, in which a dtype of an array field is its bytes alone."""
    if isinstance(value, PlainValue):
        return (value.kind, *map(plain, value.fields))
    if isinstance(value, SequenceValue):
        return tuple(map(plain, value.items))
    if isinstance(value, MappingValue):
        # A pickle lists a field a second time under its title.
        names = {key: plain(item) for key, item in value.entries}
        titles = {item[2] for item in names.values() if isinstance(item, tuple) and len(item) > 2}
        return {key: item for key, item in names.items() if key not in titles}
    return value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("fortran", [False, True])
def test_pickled_array(protocol: int, fortran: bool) -> None:  # noqa: FBT001
    array = array_of(">i4", (2, 3), fortran=fortran)
    root = read_bytes(pickle.dumps(array, protocol)).root
    assert isinstance(root, TensorRef)
    assert logical_bytes(root) == array.astype("<i4").tobytes()


def test_npz() -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.arange(5), b=np.ones((2, 2), "<f2"))
    root = read_bytes(stream.getvalue()).root
    assert isinstance(root, MappingValue)
    with np.load(io.BytesIO(stream.getvalue())) as expected:
        assert list(root.text_keys()) == list(expected)
        for name in expected:
            tensor = root.find(name)
            assert isinstance(tensor, TensorRef)
            assert logical_bytes(tensor) == expected[name].tobytes()

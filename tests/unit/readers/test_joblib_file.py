"""Arrays between the opcodes of a pickle: windows of the file, or a pickle of their own."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import ArrayValue, InertValue, MappingValue, SequenceValue
from converter.limits import Limits
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.pickles import text
from tests.support.small_files import NUMBERS, joblib_array, joblib_file

PROTO = b"\x80\x02"


def test_array_is_a_window_of_the_file() -> None:
    data = joblib_file()
    opened = read_bytes(data)
    assert opened.writer == "joblib"
    assert opened.error is None
    (tensor,) = tensors_of(opened).values()
    assert logical_bytes(tensor) == NUMBERS
    assert tensor.storage.data is not None
    assert not isinstance(tensor.storage.data, MemorySource)
    assert tensor.storage.data.name == f"file!array at {data.index(NUMBERS)}"


@pytest.mark.parametrize("padding", [None, 0, 1, 16, 255])
def test_padding(padding: int | None) -> None:
    opened = read_bytes(PROTO + joblib_array(padding=padding) + b".")
    assert isinstance(opened.root, TensorRef)
    assert logical_bytes(opened.root) == NUMBERS


def test_column_major_order() -> None:
    opened = read_bytes(PROTO + joblib_array(order="F", shape=b"K\x02K\x02\x86") + b".")
    assert isinstance(opened.root, TensorRef)
    assert (opened.root.shape, opened.root.stride) == ((2, 2), (1, 2))
    assert logical_bytes(opened.root) == struct.pack("<4f", 0, 2, 1, 3)


def test_dtype_that_no_tensor_has() -> None:
    opened = read_bytes(PROTO + joblib_array(code="S4") + b".")
    assert isinstance(opened.root, ArrayValue)
    assert opened.root.data == NUMBERS


def test_several_arrays() -> None:
    array = joblib_array()
    opened = read_bytes(PROTO + b"](" + array + array + array + b"e.")
    assert isinstance(opened.root, SequenceValue)
    assert len(tensors_of(opened)) == 3


def object_array(nested: bytes) -> bytes:
    facts = text("subclass") + b"cnumpy\nndarray\n" + text("shape") + b"K\x01\x85"
    facts += text("order") + text("C") + text("dtype")
    facts += b"cnumpy\ndtype\n" + text("O8") + b"\x89\x88\x87R(K\x03" + text("|")
    facts += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
    return b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + facts + b"ub" + nested


def test_array_of_objects_is_a_nested_pickle() -> None:
    nested = pickle.dumps(np.array([{"a": 1}], dtype=object), 5)
    opened = read_bytes(PROTO + b"}" + text("o") + object_array(nested) + b"s.")
    assert opened.error is None
    assert len(opened.graphs) == 2
    assert opened.graphs[1][0].startswith("array at ")
    assert isinstance(opened.root, MappingValue)
    value = opened.root.find("o")
    assert isinstance(value, ArrayValue)
    assert isinstance(value.data, list)
    assert isinstance(value.data[0], MappingValue)


def test_hostile_nested_pickle_is_seen() -> None:
    opened = read_bytes(PROTO + object_array(b"\x80\x02cos\nsystem\n(U\x02lstR.") + b".")
    assert [name.name for name in opened.graphs[1][1].globals] == ["system"]
    opened = read_bytes(PROTO + object_array(b"\x80\x02cos\nsystem\n\xff") + b".")
    assert [name.name for name in opened.graphs[1][1].globals] == ["system"]
    assert opened.error is not None


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (joblib_array()[:-1], "joblib array is truncated"),
        (joblib_array(padding=200)[:-216], "joblib array is truncated"),
        (joblib_array(shape=b"J\xff\xff\xff\xff\x85"), "array of unknown size"),
        (joblib_array(shape=b"G" + bytes(8) + b"\x85"), "joblib array of unknown size"),
        (joblib_array(order="X"), "joblib array of unknown size"),
        (joblib_array(code="weird"), "array of unknown size"),
        (
            joblib_array(shape=b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"),
            "joblib array is truncated",
        ),
        (joblib_array(shape=b"(" + b"K\x01" * 65 + b"t"), "max_dims"),
        (joblib_array().replace(text("dtype"), text("dtypo")), "joblib array of unknown size"),
        (b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81Nb", "joblib array of unknown size"),
    ],
)
def test_array_that_cannot_be(array: bytes, sentence: str) -> None:
    opened = read_bytes(PROTO + array)
    assert str(opened.error).startswith((sentence, f"over the limit {sentence}"))


def test_second_build_changes_nothing_and_gives_no_array() -> None:
    opened = read_bytes(PROTO + joblib_array() + b"}b.")
    assert isinstance(opened.root, InertValue)
    assert opened.error is None


def test_other_classes_of_that_name_are_left_alone() -> None:
    array = joblib_array().replace(b"cjoblib.numpy_pickle\n", b"cother.numpy_pickle\n")
    opened = read_bytes(PROTO + array.removesuffix(b"\x03\xff\xff\xff" + NUMBERS) + b".")
    assert isinstance(opened.root, InertValue)
    assert opened.writer == "pickle, protocol 2"


def test_dtype_of_many_nodes_is_limited() -> None:
    dtype = b"](" + b"]" * 50 + b"e"
    facts = text("subclass") + b"cnumpy\nndarray\n" + text("shape") + b")" + text("order")
    facts += text("C") + text("dtype") + dtype
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + facts + b"ub"
    opened = read_bytes(PROTO + wrapper + b".", limits=Limits(max_values=10))
    assert "max_values" in str(opened.error)

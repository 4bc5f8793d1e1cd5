"""Live objects without torch, values of the small known types, and what cannot be made live."""

from __future__ import annotations

import datetime as dt
import mmap
import pathlib
import struct
import sys
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import converter
from converter.byteio.local import FileSource
from converter.byteio.source import MemorySource, WindowSource
from converter.checkpoint.live import tensor_maker
from converter.checkpoint.live_memory import StorageMemory
from converter.checkpoint.live_numpy import ArrayMaker
from converter.checkpoint.live_tree import MAX_KEY_PARTS, LiveTree
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import ARRAY_CLASS, TensorRef
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.dtypes import BY_NAME
from converter.errors import FormatError, LimitError, TensorError, UnsupportedError
from converter.inert.nodes import ByteString

if TYPE_CHECKING:
    from pathlib import Path

FLOAT32 = BY_NAME["float32"]


def live(value: Value) -> Any:  # noqa: ANN401 - of any type
    return LiveTree(ArrayMaker()).live(value)


def sequence(kind: str, *items: Value) -> SequenceValue:
    return SequenceValue(kind, list(items))


def storage(raw: bytes, name: str = "float32", *, big_endian: bool = False) -> Storage:
    return Storage("0", MemorySource(raw, "0"), len(raw), BY_NAME[name], "cpu", big_endian)


def plain(kind: str, *fields: Value) -> PlainValue:
    return PlainValue(kind, fields)


ZONE = plain("datetime.timezone", plain("datetime.timedelta", 0, 3600, 0))

PLAIN: list[tuple[Value, object]] = [
    (plain("complex", 1.0, -2.0), 1 - 2j),
    (plain("bytearray", b"ab"), bytearray(b"ab")),
    (plain("slice", 1, None, 2), slice(1, None, 2)),
    (plain("range", 0, 9, 3), range(0, 9, 3)),
    (plain("Ellipsis"), ...),
    (plain("datetime.datetime", bytes([7, 234, 2, 3, 4, 5, 6, 0, 1, 2])),
     dt.datetime(2026, 2, 3, 4, 5, 6, 258)),  # noqa: DTZ001 - without a zone
    (plain("datetime.datetime", bytes([7, 234, 2 + 128, 3, 4, 5, 6, 0, 1, 2]), ZONE),
     dt.datetime(2026, 2, 3, 4, 5, 6, 258, dt.timezone(dt.timedelta(hours=1)), fold=1)),
    (plain("datetime.date", bytes([7, 234, 2, 3])), dt.date(2026, 2, 3)),
    (plain("datetime.time", bytes([4, 5, 6, 0, 1, 2])), dt.time(4, 5, 6, 258)),
    (plain("datetime.timedelta", 1, 2, 3), dt.timedelta(1, 2, 3)),
    (plain("decimal.Decimal", "1.50"), Decimal("1.50")),
    (plain("fractions.Fraction", "3/4"), Fraction(3, 4)),
    (plain("fractions.Fraction", 3, 4), Fraction(3, 4)),
    (plain("pathlib.PosixPath", "/", "a", "b"), pathlib.PurePosixPath("/a/b")),
    (plain("pathlib.WindowsPath", "C:\\", "a"), pathlib.PureWindowsPath("C:\\a")),
    (ByteString(b"caf\xc3\xa9"), "café"),
    (ByteString(b"\xff"), b"\xff"),
    (GlobalValue("builtins", "float"), float),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), PLAIN, ids=lambda one: type(one).__name__)
def test_small_values_are_what_they_were(value: Value, expected: object) -> None:
    assert live(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        plain("range", 0, 1, 0),
        plain("datetime.datetime", bytes(10)),
        plain("datetime.timezone", "no offset"),
        plain("fractions.Fraction", "1e999999999"),
        plain("fractions.Fraction", 1, 0),
        plain("decimal.Decimal", "words"),
        plain("something.Else", 1),
        plain("torch.dtype", "float32"),
        GlobalValue("os", "system"),
        InertValue("torch.optim.SGD", "NEWOBJ"),
        CompositeTensor("wrapper", FLOAT32, (1,)),
    ],
    ids=lambda value: getattr(value, "kind", type(value).__name__),
)
def test_what_cannot_be_made_is_kept_as_data(value: Value) -> None:
    assert isinstance(live(value), converter.InertObject)


def test_collections_keep_their_types() -> None:
    ordered = MappingValue("OrderedDict", [("b", 1), ("a", 2)])
    ordered.attributes = MappingValue("dict", [("_metadata", MappingValue("dict", [("", 1)]))])
    found = live(ordered)
    assert type(found) is OrderedDict
    assert list(found) == ["b", "a"]
    assert vars(found) == {"_metadata": {"": 1}}
    assert live(MappingValue("Counter", [("a", 2)])) == Counter(a=2)
    factory = GlobalValue("builtins", "list")
    assert live(MappingValue("defaultdict", [], factory)) == defaultdict(list)
    assert live(MappingValue("defaultdict", [], factory)).default_factory is list
    unknown = GlobalValue("posix", "system")
    assert live(MappingValue("defaultdict", [], unknown)).default_factory is None
    bounded = SequenceValue("deque", [1, 2], 2)
    assert live(bounded) == deque([1, 2], 2)
    assert live(bounded).maxlen == 2
    assert live(sequence("set", 1, sequence("tuple", 2, 3))) == {1, (2, 3)}
    assert live(sequence("frozenset", 1)) == frozenset({1})
    assert live(sequence("torch.Size", 2, 3)) == (2, 3)


def test_keys_keep_their_types() -> None:
    entries: list[tuple[Value, Value]] = [
        (1, "int"),
        ("1", "text"),
        (2.5, "float"),
        (None, "none"),
        (sequence("tuple", 1, "a"), "tuple"),
        (ByteString(b"1"), "the same text in Python 2"),
    ]
    found = live(MappingValue("dict", entries))
    assert list(found) == [1, "1", 2.5, None, (1, "a"), b"1"]


def test_namespaces_are_live_and_other_objects_are_not() -> None:
    state = MappingValue("dict", [("lr", 0.1), ("name", "x")])
    namespace = InertValue("argparse.Namespace", "NEWOBJ", states=[state])
    assert live(namespace) == Namespace(lr=0.1, name="x")
    simple = InertValue("types.SimpleNamespace", "REDUCE", states=[state])
    assert live(simple) == SimpleNamespace(lr=0.1, name="x")
    odd = InertValue("argparse.Namespace", "NEWOBJ", args=[1], states=[state])
    assert isinstance(live(odd), converter.InertObject)
    other = InertValue("a.B", "NEWOBJ", args=[1], states=[state], entries=[("k", 2)])
    other.appended.append(other)
    found = live(other)
    assert (found.class_name, found.how, found.args) == ("a.B", "NEWOBJ", (1,))
    assert found.state == {"lr": 0.1, "name": "x"}
    assert found.items == (("k", 2),)
    assert found.members == (found,)
    assert repr(found) == "InertObject('a.B')"
    with pytest.raises(AttributeError):
        found.class_name = "c"


def test_sharing_and_cycles_are_kept() -> None:
    inner = sequence("list", 1)
    outer = sequence("list", inner, inner)
    outer.items.append(sequence("tuple", outer))
    found = live(outer)
    assert found[0] is found[1]
    assert found[2][0] is found


def test_tuple_that_contains_itself_is_an_error() -> None:
    impossible = sequence("tuple")
    impossible.items.append(sequence("tuple", impossible))
    with pytest.raises(FormatError, match="contains itself"):
        live(impossible)


def test_keys_that_nobody_could_hash() -> None:
    with pytest.raises(FormatError, match="key that cannot be one"):
        live(MappingValue("dict", [(sequence("tuple", sequence("list")), 1)]))
    key: Value = sequence("tuple", 1)
    for _ in range(64):
        key = sequence("tuple", key, key)
    with pytest.raises(LimitError, match="MAX_KEY_PARTS"):
        live(MappingValue("dict", [(key, 1)]))
    wide = sequence("tuple", *range(MAX_KEY_PARTS))
    with pytest.raises(LimitError):
        live(sequence("set", wide))


def dtype(code: str, order: str = "<", *state: Value) -> PlainValue:
    return plain("numpy.dtype", code, order, sequence("tuple", 3, order, *state) if state else None)


def test_arrays_are_what_they_were() -> None:
    code = dtype("U2", "<", None, None, None, 8, 4, 8)
    text = ArrayValue(code, (2,), fortran=False, data="abcd".encode("utf-32-le"))
    assert live(text).tolist() == ["ab", "cd"]
    scalar = live(
        ArrayValue(dtype("f8"), (), fortran=False, data=struct.pack("<d", 2.5), scalar=True)
    )
    assert type(scalar) is np.float64
    assert scalar == 2.5
    columns = ArrayValue(
        dtype("i2", ">"), (2, 2), fortran=True, data=struct.pack(">4h", 1, 2, 3, 4)
    )
    assert live(columns).tolist() == [[1, 3], [2, 4]]
    point = MappingValue("dict", [
        ("x", sequence("tuple", dtype("i4"), 0)),
        ("y", sequence("tuple", dtype("f4"), 4)),
    ])  # fmt: skip
    names = sequence("tuple", "x", "y")
    record = dtype("V8", "|", None, names, point, 8, 1, 16)
    found = live(ArrayValue(record, (1,), fortran=False, data=struct.pack("<if", 1, 2.0)))
    assert found["x"].tolist() == [1]
    assert found["y"].tolist() == [2.0]
    unit = sequence("tuple", None, sequence("tuple", b"ns", 1, 1, 1))
    moment = dtype("M8", "<", None, None, None, -1, -1, 0, unit)
    found = live(ArrayValue(moment, (1,), fortran=False, data=struct.pack("<q", 5)))
    assert found.dtype == np.dtype("<M8[ns]")
    objects = ArrayValue(dtype("O8", "|"), (2,), fortran=False, data=[])
    assert isinstance(objects.data, list)
    objects.data.extend([objects, "a"])
    found = live(objects)
    assert found[0] is found
    assert found.dtype == object


@pytest.mark.parametrize(
    "value",
    [
        ArrayValue(dtype("O8", "|"), (1,), fortran=False, data=b"12345678"),
        ArrayValue(dtype("f8"), (2,), fortran=False, data=b"12345678"),
        ArrayValue(dtype("f8"), (1 << 62, 1 << 62), fortran=False, data=b""),
        ArrayValue(dtype("O8", "|"), (5,), fortran=False, data=[1]),
        ArrayValue(dtype("i4,os.system"), (1,), fortran=False, data=b"1234"),
        ArrayValue("no dtype", (1,), fortran=False, data=b"1234"),
    ],
    ids=["objects as bytes", "short", "huge", "few items", "odd code", "no dtype"],
)
def test_hostile_arrays_are_kept_as_data(value: ArrayValue) -> None:
    assert isinstance(live(value), converter.InertObject)


def test_tensors_without_torch() -> None:
    raw = struct.pack("<4f", 1, 2, 3, 4)
    one = storage(raw)
    whole = TensorRef(one, FLOAT32, (2, 2), (2, 1), 0)
    column = TensorRef(one, FLOAT32, (2,), (2,), 1)
    found = live(sequence("list", whole, column, TensorRef(one, FLOAT32, (0, 3), (3, 1), 9)))
    assert found[0].tolist() == [[1, 2], [3, 4]]
    found[0][0, 1] = 7
    assert found[1].tolist() == [7, 4]
    assert found[2].shape == (0, 3)
    swapped = storage(struct.pack(">4f", 1, 2, 3, 4), big_endian=True)
    assert live(TensorRef(swapped, FLOAT32, (4,), (1,), 0)).tolist() == [1, 2, 3, 4]
    negative = live(TensorRef(one, FLOAT32, (4,), (1,), 0, neg=True))
    assert negative.tolist() == [-1, -2, -3, -4]
    numbers = storage(struct.pack("<4f", 1, 2, -0.0, 4), "complex64")
    conjugate = live(TensorRef(numbers, BY_NAME["complex64"], (2,), (1,), 0, conj=True))
    assert conjugate.tobytes() == struct.pack("<4f", 1, -2, -0.0, -4)
    assert live(one).tolist() == [1, 2, 3, 4]


def test_element_types_that_numpy_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    half = TensorRef(storage(b"\0\0", "bfloat16"), BY_NAME["bfloat16"], (1,), (1,), 0)
    with pytest.raises(UnsupportedError, match="ml_dtypes"):
        live(half)
    monkeypatch.setitem(sys.modules, "ml_dtypes", SimpleNamespace(bfloat16="<u2"))
    assert live(half).tolist() == [0]


def test_numpy_makes_tensors_where_torch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert isinstance(tensor_maker(), ArrayMaker)


def test_tensor_whose_bytes_were_left_out() -> None:
    missing = Storage("0", None, 4, FLOAT32, "cpu", left_out=True)
    with pytest.raises(TensorError, match="left out when the checkpoint was converted"):
        live(TensorRef(missing, FLOAT32, (1,), (1,), 0))


def test_plain_files_are_mapped_and_never_written(tmp_path: Path) -> None:
    path = tmp_path / "numbers"
    path.write_bytes(bytes(16) + struct.pack("<4f", 1, 2, 3, 4))
    with FileSource(path) as source:
        window = WindowSource(source, 16, 16, "numbers")
        mapped = Storage("0", window, 16, FLOAT32, "cpu")
        memory = StorageMemory()
        buffer, start = memory.buffer_of(mapped, 4)
        assert isinstance(buffer, mmap.mmap)
        assert start == 16
        odd = Storage("1", WindowSource(source, 3, 4, "odd"), 4, FLOAT32, "cpu")
        assert isinstance(memory.buffer_of(odd, 4)[0], np.ndarray)
        array = live(TensorRef(mapped, FLOAT32, (4,), (1,), 0))
    array[:] = 9
    assert array.tolist() == [9, 9, 9, 9]
    assert path.read_bytes()[16:] == struct.pack("<4f", 1, 2, 3, 4)


@pytest.mark.torch
def test_numpy_arrays_stay_arrays_beside_torch() -> None:
    pytest.importorskip("torch")
    value = TensorRef(storage(struct.pack("<f", 1)), FLOAT32, (1,), (1,), 0, class_name=ARRAY_CLASS)
    found = LiveTree(tensor_maker()).live(value)
    assert isinstance(found, np.ndarray)


@pytest.mark.torch
def test_attributes_never_replace_what_a_tensor_does() -> None:
    torch = pytest.importorskip("torch")
    state = MappingValue("dict", [("note", "x"), ("sum", 1), ("data", 2), ("__class__", 3)])
    value = TensorRef(
        storage(struct.pack("<f", 1)),
        FLOAT32,
        (1,),
        (1,),
        0,
        attributes=MappingValue("dict", [("(state)", state)]),
    )
    found = LiveTree(tensor_maker()).live(value)
    assert found.note == "x"
    assert torch.equal(found.sum(), torch.tensor(1.0))
    assert vars(found) == {"note": "x"}

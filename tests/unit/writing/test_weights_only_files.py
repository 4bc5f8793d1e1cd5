"""Pickles for weights-only loading: opcodes, the archive around, and what stands for the rest."""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import ARRAY_CLASS, PARAMETER_CLASS, TENSOR_CLASS, TensorRef
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
from converter.errors import PlanError, UnsupportedError
from converter.inert.nodes import ByteString
from converter.limits import DEFAULT_LIMITS
from converter.progress import SilentProgress
from converter.readers.opening import read_source
from converter.writing.torch_zip_file import plan_storages, write_torch_file
from converter.writing.unsupported import prepare

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened

FLOAT32 = BY_NAME["float32"]
# torch/_weights_only_unpickler.py, 2.13: everything else is "Unsupported operand".
ACCEPTED = frozenset(
    {
        *("PROTO", "STOP", "GLOBAL", "NEWOBJ", "REDUCE", "BUILD", "APPEND", "APPENDS", "SETITEM"),
        *("SETITEMS", "MARK", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWFALSE"),
        *("NEWTRUE", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "BININT", "BININT1"),
        *("BININT2", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "LONG1", "BINPERSID", "BINGET"),
        *("LONG_BINGET", "BINPUT", "LONG_BINPUT"),
    }
)


class MemorySink:
    """A sink that keeps what is written, where it belongs."""

    descriptor = -1

    def __init__(self) -> None:
        self.content = bytearray()

    def write_at(self, offset: int, buffer: bytes | bytearray | memoryview) -> None:
        assert offset == len(self.content)
        self.content += buffer

    def preallocate(self, nbytes: int) -> None: ...


def write(root: Value) -> bytes:
    sink = MemorySink()
    nbytes = write_torch_file(root, sink, SilentProgress(), DEFAULT_LIMITS)
    assert nbytes == len(sink.content)
    return bytes(sink.content)


def read(content: bytes) -> Opened:
    opened = read_source(MemorySource(content, "file"), DEFAULT_LIMITS)
    assert opened.error is None
    assert opened.anomalies == []
    return opened


def pickle_of(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return archive.read("archive/data.pkl")


def there_and_back(root: Value) -> Value:
    content = write(root)
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops(pickle_of(content))}
    assert opcodes <= ACCEPTED
    again = read(content).root
    assert trees_equal(root, again) is None
    return again


def sequence(kind: str, *items: Value) -> SequenceValue:
    return SequenceValue(kind, list(items))


def mapping(kind: str, **entries: Value) -> MappingValue:
    return MappingValue(kind, list(entries.items()))


def storage(raw: bytes, name: str | None = "float32", **more: Any) -> Storage:  # noqa: ANN401
    dtype = None if name is None else BY_NAME[name]
    return Storage("k", MemorySource(raw, "k"), len(raw), dtype, "cpu", **more)


def vector(one: Storage, name: str = "float32", count: int = 1, **more: Any) -> TensorRef:  # noqa: ANN401
    return TensorRef(one, BY_NAME[name], (count,), (1,), 0, **more)


NUMBERS: list[Value] = [
    *(0, 1, 255, 256, 65_535, 65_536, -1, -128, -129, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1),
    *(2**63, -(2**63), 2**2038, -(2**2038), True, False, None, 0.0, -0.0, float("inf"), 5e-324),
    struct.unpack(">d", bytes.fromhex("7ff8dead00000001"))[0],
]


def test_plain_values_come_back() -> None:
    texts: list[Value] = ["", "a", "é\0", "\udc80", "x" * 70_000, b"", b"\0\xff", b"a" * 300]
    strings: list[Value] = [ByteString(b""), ByteString(b"ab"), ByteString(b"x" * 255)]
    there_and_back(sequence("list", *NUMBERS, *texts, *texts, *strings))


def test_collections_come_back() -> None:
    ordered = mapping("OrderedDict", b=1, a=2)
    ordered.attributes = mapping("dict", _metadata=mapping("OrderedDict", version=1))
    there_and_back(
        sequence(
            "list",
            ordered,
            ordered,
            mapping("Counter", a=2),
            sequence("set", 1, "a"),
            *(sequence("tuple", *range(n)) for n in range(5)),
            sequence("torch.Size", 1, 2, 3, 4),
            sequence("list", *range(2_001)),
            MappingValue("dict", [(n, sequence("list")) for n in range(1_001)]),
            MappingValue("dict", [(sequence("tuple", 1, "a"), 1)]),
            PlainValue("complex", (1.0, -0.0)),
            PlainValue("bytearray", (b"\xff",)),
            PlainValue("torch.device", ("cuda", 1)),
            PlainValue("torch.layout", ("sparse_csr",)),
        )
    )


def test_cycles_come_back() -> None:
    root = mapping("dict")
    members = sequence("list", root)
    members.items.append(members)
    root.entries += [("members", members), ("tuple", sequence("tuple", root, members))]
    there_and_back(root)


def test_tuple_that_contains_itself_cannot_be_said() -> None:
    root = sequence("tuple")
    root.items.append(sequence("tuple", root))
    with pytest.raises(PlanError, match="contains itself"):
        write(root)


def test_tensors_come_back() -> None:
    shared = storage(bytes(range(24)))
    noted = mapping("dict", note="x")
    states = [MappingValue("dict", [("(state)", noted)]) for _ in range(2)]
    root = sequence(
        "list",
        TensorRef(shared, FLOAT32, (2, 3), (3, 1), 0),
        TensorRef(shared, FLOAT32, (3, 2), (1, 3), 0, requires_grad=True),
        TensorRef(shared, FLOAT32, (5,), (1,), 1, class_name=PARAMETER_CLASS, requires_grad=True),
        vector(storage(b"1234"), attributes=states[0]),
        vector(storage(b"1234"), class_name=PARAMETER_CLASS, attributes=states[1]),
        vector(storage(b"12", None), "uint16"),
        vector(storage(b"1", None), "float8_e5m2"),
        vector(storage(b"12345678", "complex64"), "complex64", conj=True),
        vector(storage(b"1234"), neg=True),
        TensorRef(storage(b""), FLOAT32, (0, 3), (3, 1), 0),
        shared,
        storage(b"abc", None),
    )
    again = there_and_back(root)
    assert isinstance(again, SequenceValue)
    first, second = again.items[:2]
    assert isinstance(first, TensorRef)
    assert isinstance(second, TensorRef)
    assert first.storage is second.storage is again.items[10]
    assert first.storage.data is not None
    assert first.storage.data.read_at(0, 24) == bytes(range(24))


def test_composites_come_back() -> None:
    longs = storage(bytes(32), "int64")
    index = TensorRef(longs, BY_NAME["int64"], (2, 2), (2, 1), 0)
    flat = TensorRef(longs, BY_NAME["int64"], (3,), (1,), 0)
    values = vector(storage(bytes(8)), count=2)
    integers = TensorRef(storage(b"12", "qint8"), BY_NAME["qint8"], (2,), (1,), 0)
    scheme = PlainValue("torch.qscheme", ("per_tensor_affine",))
    sized = TensorRef(longs, BY_NAME["int64"], (1, 1), (1, 1), 0)
    steps = sequence("tuple", 3, 1)
    there_and_back(
        sequence(
            "list",
            CompositeTensor(
                "sparse_coo",
                FLOAT32,
                (3, 3),
                (("indices", index), ("values", values)),
                (("is_coalesced", True),),
            ),
            CompositeTensor(
                "sparse_csr",
                FLOAT32,
                (2, 3),
                (("crow_indices", flat), ("col_indices", flat), ("values", values)),
            ),
            CompositeTensor(
                "quantized",
                BY_NAME["qint8"],
                (2,),
                (("int_repr", integers),),
                (("qscheme", scheme), ("scale", 0.5), ("zero_point", 3)),
            ),
            CompositeTensor(
                "nested",
                FLOAT32,
                None,
                (("buffer", values), ("sizes", sized), ("strides", sized), ("offsets", flat)),
            ),
            CompositeTensor("meta", FLOAT32, (2, 3), (), (("stride", steps),)),
        )
    )


def test_big_endian_storages_are_turned() -> None:
    root = vector(storage(struct.pack(">2f", 1, 2), big_endian=True), count=2)
    again = read(write(root)).root
    assert isinstance(again, TensorRef)
    assert again.storage.data is not None
    assert again.storage.data.read_at(0, 8) == struct.pack("<2f", 1, 2)
    assert not again.storage.big_endian


def test_storage_of_several_types_is_written_untyped() -> None:
    one = storage(bytes(8), None)
    root = sequence("list", vector(one, "uint16"), vector(one, "float32"))
    (entry,) = plan_storages(root).values()
    assert entry.dtype is None
    there_and_back(root)
    mixed = storage(bytes(8), None, big_endian=True)
    with pytest.raises(UnsupportedError, match="several types"):
        write(sequence("list", vector(mixed, "uint16"), vector(mixed, "float32")))


def test_left_out_storage_is_refused() -> None:
    missing = Storage("7", None, 4, FLOAT32, "cpu", left_out=True)
    with pytest.raises(PlanError, match="storage 7"):
        write(vector(missing))


def test_tree_without_anything_odd_is_not_copied() -> None:
    root = mapping("dict", a=1, b=vector(storage(b"1234")))
    prepared, unsupported = prepare(root)
    assert prepared is root
    assert unsupported == []


@pytest.mark.parametrize(
    "value",
    [
        PlainValue("torch.dtype", ("float32\ncposix\nsystem",)),
        PlainValue("torch.qscheme", ("per_tensor_affine\nR",)),
        PlainValue("torch.layout", ("nothing",)),
        PlainValue("torch.device", (1,)),
        PlainValue("complex", (1.0,)),
        PlainValue("bytearray", ("text",)),
    ],
    ids=lambda value: value.kind,
)
def test_document_cannot_smuggle_opcodes_in(value: PlainValue) -> None:
    """The names of a dtype, a scheme or a layout come from a file, and would end in a GLOBAL."""
    prepared, unsupported = prepare(sequence("list", value))
    assert len(unsupported) == 1
    opcodes = pickletools.genops(pickle_of(write(prepared)))
    assert [arg for opcode, arg, _ in opcodes if opcode.name == "GLOBAL"] == []


NAME = GlobalValue("a.b", "C")
ODD: list[tuple[Value, str]] = [
    (sequence("frozenset", 1), "frozenset"),
    (SequenceValue("deque", [1], 3), "deque"),
    (sequence("set", sequence("frozenset")), "set"),
    (MappingValue("defaultdict", [("a", 1)], NAME), "defaultdict"),
    (MappingValue("dict", [(NAME, 1)]), "dict"),
    (MappingValue("dict", [], attributes=mapping("dict", x=1)), "dict"),
    (PlainValue("datetime.date", (b"1234",)), "datetime.date"),
    (PlainValue("pathlib.PosixPath", ("/", "a")), "pathlib.PosixPath"),
    (NAME, "global"),
    (ArrayValue(NAME, (1,), fortran=False, data=b"x"), "array"),
    (ArrayValue(NAME, (1,), fortran=False, data=[NAME]), "array"),
    (InertValue("a.B", "NEWOBJ", args=[1], states=[NAME], entries=[(NAME, 1)]), "object"),
    (vector(storage(b"1234"), class_name="a.Subclass"), "tensor"),
    (CompositeTensor("wrapper", FLOAT32, (1,), (("a", NAME),)), "composite"),
    (2**2040, "int"),
    (ByteString(b"\xff"), "bytestring"),
]


@pytest.mark.parametrize(("value", "mark"), ODD, ids=[mark for _, mark in ODD])
def test_what_is_not_taken_is_listed_and_said_as_plain_data(value: Value, mark: str) -> None:
    prepared, unsupported = prepare(mapping("dict", odd=value, fine=1))
    assert unsupported[0].path == "odd"
    assert isinstance(prepared, MappingValue)
    said = prepared.find("odd")
    assert isinstance(said, MappingValue)
    assert said.find("__depickle__") == mark
    assert prepare(prepared)[1] == []
    there_and_back(prepared)


def test_objects_keep_cycles_as_plain_data() -> None:
    node = InertValue("a.Node", "NEWOBJ")
    node.states.append(mapping("dict", parent=node))
    prepared, _ = prepare(sequence("list", node, node))
    assert isinstance(prepared, SequenceValue)
    assert prepared.items[0] is prepared.items[1]
    there_and_back(prepared)


def test_arrays_become_tensors_and_meta_storages_meta_tensors() -> None:
    array = vector(storage(b"1234"), class_name=ARRAY_CLASS)
    meta = vector(Storage("0", None, 4, FLOAT32, "meta"))
    prepared, unsupported = prepare(sequence("list", array, meta))
    assert [one.what for one in unsupported] == ["a numpy array"]
    assert isinstance(prepared, SequenceValue)
    tensor, shell = prepared.items
    assert isinstance(tensor, TensorRef)
    assert tensor.class_name == TENSOR_CLASS
    assert isinstance(shell, CompositeTensor)
    there_and_back(prepared)


def test_same_meaning_needs_no_leave() -> None:
    root = sequence(
        "list",
        ByteString(b"x" * 300),
        PlainValue("torch.dtype", ("float16",)),
        PlainValue("torch.dtype", ("float16",)),
        MappingValue(
            "dict",
            [("a", 1)],
            attributes=mapping("dict", __metadata__=mapping("dict", format="pt")),
        ),
    )
    prepared, unsupported = prepare(root)
    assert unsupported == []
    assert isinstance(prepared, SequenceValue)
    assert prepared.items[0] == "x" * 300
    assert prepared.items[1] is prepared.items[2]
    there_and_back(prepared)


def test_records_lie_where_torch_puts_them() -> None:
    content = write(sequence("list", vector(storage(b"12345678"), count=2), storage(b"")))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [one.filename for one in archive.infolist()]
        for one in archive.infolist():
            head = content[one.header_offset :]
            lengths = struct.unpack("<2H", head[26:30])
            assert (one.header_offset + 30 + sum(lengths)) % 64 == 0
    assert names == [
        f"archive/{name}"
        for name in (
            *("data.pkl", ".format_version", ".storage_alignment", "byteorder"),
            *("data/0", "data/1", "version"),
        )
    ]

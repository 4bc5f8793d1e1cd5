"""TorchScript archives by hand: layouts of old releases, and archives that lie."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from converter.checkpoint.canonical import Opened
from converter.checkpoint.values import InertValue, SequenceValue
from converter.errors import ContainerError, DepickleError, FormatError, LimitError, TensorError
from converter.limits import DEFAULT_LIMITS
from converter.readers.torchscript import DETAILS, read_torchscript
from converter.readers.torchscript_code import class_texts
from tests.support.archives import content, found, read_with, tensors_of, zipped
from tests.support.pickles import tensor_opcodes, text

FOUR = struct.pack("<4f", 1, 2, 3, 4)
CODE = 'class Net(Module):\n  __parameters__ = ["w", ]\n  __buffers__ = ["b", ]\n'


def module_pickle(*attributes: tuple[str, bytes], name: str = "__torch__\nNet") -> bytes:
    """Return a pickled module object, whose attributes are given as opcodes."""
    return b"\x80\x02" + module_opcodes(*attributes, name=name) + b"."


def module_opcodes(*attributes: tuple[str, bytes], name: str = "__torch__\nNet") -> bytes:
    items = b"".join(text(key) + value for key, value in attributes)
    return b"c" + name.encode() + b"\n)\x81}(" + items + b"ub"


def archive(**changes: bytes | str | None) -> bytes:
    """Return a small honest archive, with records replaced, added or (None) left out."""
    data = module_pickle(("b", tensor_opcodes("1", 4)), ("w", tensor_opcodes("0", 4)))
    records: dict[str, bytes | str | None] = {
        "data/0": FOUR,
        "data/1": FOUR[::-1],
        "data.pkl": data,
        "code/__torch__.py": CODE,
        "constants.pkl": b"\x80\x02).",
        "version": "3\n",
    }
    records.update(changes)
    return zipped({name: content for name, content in records.items() if content is not None})


def read(data: bytes, **limits: int) -> Opened:
    return read_with(read_torchscript, data, DEFAULT_LIMITS._replace(**limits))


def test_parameters_come_before_buffers() -> None:
    opened = read(archive())
    assert opened.error is None
    assert opened.anomalies == []
    assert list(tensors_of(opened.root)) == ["w", "b"]
    assert found(opened.root, "@", DETAILS, "classes", "") == "__torch__.Net"


def test_storages_of_torch_1_4_are_in_another_folder() -> None:
    pickle = module_pickle(("w", tensor_opcodes("94", 4).replace(b"tQ", b"NtQ", 1)))
    changes = {"data/0": None, "data/1": None, "data.pkl": pickle, "tensors/94": FOUR}
    opened = read(archive(**changes))
    assert opened.error is None
    assert content(tensors_of(opened.root)["w"]) == FOUR


def test_big_endian_archive_is_swapped() -> None:
    opened = read(archive(byteorder="big"))
    assert content(tensors_of(opened.root)["b"]) == struct.pack(
        "<4f", *struct.unpack(">4f", FOUR[::-1])
    )


def test_constants_have_storages_of_their_own() -> None:
    constants = b"\x80\x02(" + tensor_opcodes("0", 2) + b"t."
    opened = read(archive(**{"constants.pkl": constants, "constants/0": FOUR[8:]}))
    assert opened.error is None
    assert opened.anomalies == []
    state = tensors_of(found(opened.root, "model"))
    weights = tensors_of(found(opened.root, "constants"))
    assert content(weights["CONSTANTS.c0"]) == FOUR[8:]
    assert content(state["w"]) == FOUR


def test_storages_nobody_names_are_listed() -> None:
    opened = read(archive(**{"data/7": b"1234", "constants/3": b"12"}))
    records = [a.record for a in opened.anomalies if a.code == "storage_unreferenced"]
    assert records == ["r/data/7", "r/constants/3"]
    assert "storages_unreferenced" in [note.code for note in opened.notes]


def test_record_longer_than_its_storage_is_noted() -> None:
    opened = read(archive(**{"data/0": FOUR + b"more"}))
    assert opened.error is None
    assert content(tensors_of(opened.root)["w"]) == FOUR
    assert [a.code for a in opened.anomalies] == ["record_longer_than_storage"]


def test_storage_of_the_meta_device_has_no_bytes() -> None:
    pickle = module_pickle(("w", tensor_opcodes("0", 4).replace(text("cpu"), text("meta"))))
    opened = read(archive(**{"data.pkl": pickle, "data/0": None, "data/1": None}))
    assert opened.error is None
    assert tensors_of(opened.root)["w"].storage.data is None


CALL = b"ctorch.jit._pickle\n"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (CALL + b"build_intlist\n(](K\x01K\x02etR", [1, 2]),
        (CALL + b"build_doublelist\n(]tR", []),
        (CALL + b"restore_type_tag\n(](K\x01e" + text("List[int]") + b"tR", [1]),
        (CALL + b"restore_type_tag\n(" + b"(K\x01t" + text("Tuple[int]") + b"tR", [1]),
    ],
)
def test_typed_lists_are_their_contents(call: bytes, expected: list[int]) -> None:
    opened = read(archive(**{"data.pkl": module_pickle(("x", call))}))
    listed = found(opened.root, "@", DETAILS, "attributes", "x")
    assert isinstance(listed, SequenceValue)
    assert listed.items == expected


@pytest.mark.parametrize(
    "call",
    [
        CALL + b"build_intlist\n(K\x01tR",
        CALL + b"build_boollist\n(]]tR",
        CALL + b"restore_type_tag\n(]K\x01tR",
        CALL + b"restore_type_tag\n(K\x01" + text("int") + b"tR",
    ],
)
def test_calls_of_another_shape_stay_inert(call: bytes) -> None:
    opened = read(archive(**{"data.pkl": module_pickle(("x", call))}))
    assert "call_of_another_shape" in [anomaly.code for anomaly in opened.anomalies]
    assert isinstance(found(opened.root, "@", DETAILS, "attributes", "x"), InertValue)


def test_unreadable_records_are_errors() -> None:
    # Each record in turn is said to be packed in a way that nobody knows.
    for name in ("data.pkl", "constants.pkl", "traced_inputs.pkl", "extra/a", "code/__torch__.py"):
        data = archive(**{"traced_inputs.pkl": b"\x80\x02N.", "extra/a": b"1"})
        at = data.rindex(b"r/" + name.encode()) - 46
        broken = data[: at + 10] + b"\x63\0" + data[at + 12 :]
        assert isinstance(read(broken).error, DepickleError), name


def test_unknown_records_are_noted() -> None:
    opened = read(archive(**{"attributes.pkl": b"\x80\x02N."}))
    (note,) = [note for note in opened.notes if note.code == "records_unread"]
    assert "attributes.pkl" in note.text


def test_class_without_text_is_taken_for_a_module() -> None:
    opened = read(archive(**{"code/__torch__.py": None}))
    assert list(tensors_of(opened.root)) == ["b", "w"]
    assert [a.code for a in opened.anomalies] == ["torchscript_class_missing"]


def test_object_of_another_class_is_no_module() -> None:
    pickle = module_pickle(("w", tensor_opcodes("0", 4)), name="collections\nNet")
    opened = read(archive(**{"data.pkl": pickle, "data/1": None}))
    assert opened.error is None
    assert found(opened.root, "model") is None
    assert found(opened.root, "extra", "attributes") is not None


def test_state_of_a_modules_own_making_is_kept() -> None:
    pickle = b"\x80\x02c__torch__\nNet\n)\x81(" + tensor_opcodes("0", 4) + b"K\x01tb."
    opened = read(archive(**{"data.pkl": pickle, "data/1": None}))
    assert "torchscript_state_opaque" in [note.code for note in opened.notes]
    assert found(opened.root, "extra", "attributes", "") is not None


def test_module_inside_itself_is_an_error() -> None:
    pickle = b"\x80\x02c__torch__\nNet\n)\x81q\x00}(" + text("me") + b"h\x00ub."
    assert isinstance(read(archive(**{"data.pkl": pickle})).error, FormatError)


def test_many_ways_to_one_module_are_limited() -> None:
    # Each module holds the one before it twice: 2^40 names.
    opcodes = b"c__torch__\nNet\n)\x81}b"
    for number in range(40):
        key = bytes([number])
        twice = text("a") + b"h" + key + text("b") + b"h" + key
        opcodes += b"q" + key + b"0c__torch__\nNet\n)\x81}(" + twice + b"ub"
    opened = read(archive(**{"data.pkl": b"\x80\x02" + opcodes + b"."}), max_tensors=1_000)
    assert isinstance(opened.error, LimitError)
    assert opened.error.limit == "max_tensors"


@pytest.mark.parametrize(
    ("limit", "allowed"), [("max_header_bytes", 20), ("max_depth", 1), ("max_tensors", 2)]
)
def test_names_are_limited(limit: str, allowed: int) -> None:
    inner = module_opcodes(("a", module_opcodes(("long name", module_opcodes(("x", b"N"))))))
    pickle = module_pickle(("one", inner))
    opened = read(archive(**{"data.pkl": pickle}), **{limit: allowed})
    assert isinstance(opened.error, LimitError)
    assert opened.error.limit == limit


@pytest.mark.parametrize(
    "changes",
    [
        {"data.pkl": b""},
        {"data.pkl": b"\x80\x02c__torch__\nNet\n"},
        {"data.pkl": module_pickle()[:-1]},
        {"data.pkl": b"garbage"},
        {"constants.pkl": None},
        {"constants.pkl": b"\x80"},
        {"data/0": None},
        {"data/0": FOUR[:-1]},
        {"data.pkl": module_pickle(("w", tensor_opcodes("0", -1)))},
        {"traced_inputs.pkl": b"\x80\x02c", "constants.pkl": None},
    ],
)
def test_broken_archive_is_an_error_in_what_is_opened(changes: dict[str, Any]) -> None:
    assert isinstance(read(archive(**changes)).error, DepickleError)


def test_broken_constants_leave_the_model() -> None:
    opened = read(archive(**{"constants.pkl": b"\x80\x02(."}))
    assert opened.error is not None
    assert list(tensors_of(opened.root)) == ["w", "b"]


def test_byte_order_of_another_name_is_refused() -> None:
    with pytest.raises(ContainerError, match="byte order"):
        read(archive(byteorder="middle" * 100_000))


def test_archive_without_a_module_is_refused() -> None:
    with pytest.raises(ContainerError, match="without a module"):
        read(archive(**{"data.pkl": None}))


def test_every_truncation_is_an_error() -> None:
    data = archive()
    for length in range(0, len(data), 7):
        with pytest.raises(DepickleError):
            read(data[:length])


# Class texts


def test_texts_are_searched_line_by_line() -> None:
    found_classes = class_texts(
        b"op_version_set = 1\n"
        b"class A(Module):\n"
        b'  __parameters__ = ["a b", "0", ]\n'
        b"  __buffers__ = []\n"
        b"  k : Final[int] = 4\n"
        b"  def forward(self):\n"
        b'    __parameters__ = ["deeper", ]\n'
        b"class B(NamedTuple):\n"
        b"  x : Tensor\n"
        b"class C:\n"
        b"  __parameters__ = []\n"
        b"def f():\n"
        b'  __buffers__ = ["not a class", ]\n'
        b"class A(Module):\n"
        b'  __parameters__ = ["second", ]\n'
    )
    assert list(found_classes) == ["A", "B", "C"]
    first = found_classes["A"]
    assert first.is_module
    assert first.parameters == frozenset({"a b", "0"})
    assert first.buffers == frozenset()
    assert first.constants == [("k", "Final[int] = 4")]
    assert not found_classes["B"].is_module
    assert not found_classes["C"].is_module
    assert found_classes["C"].buffers is None


def test_text_of_a_million_lines_is_searched_quickly() -> None:
    line = b'  __parameters__ = ["\n  x : Final[\nclass (\n'
    assert class_texts(line * 350_000 + CODE.encode()) != {}


def test_texts_are_limited_together() -> None:
    opened = read(
        archive(**{"code/__torch__.py": CODE + "#" * 5_000}), max_small_record_bytes=4_000
    )
    assert isinstance(opened.error, LimitError)
    assert opened.error.limit == "max_small_record_bytes"


def test_text_that_is_no_text_is_harmless() -> None:
    opened = read(
        archive(**{"code/__torch__.py": b"class Net(Module):\n\xff\x00" + bytes(range(256))})
    )
    assert opened.error is None
    assert list(tensors_of(opened.root)) == ["b", "w"]


# torch 1.0 and 1.1: model.json


def tensor(key: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {
        "dims": ["2"],
        "strides": ["1"],
        "offset": "0",
        "dataType": "FLOAT",
        "requiresGrad": True,
        "data": {"key": f"tensors/{key}"},
        "device": "cpu",
    } | changes


def model_json(*tensors: dict[str, Any], **changes: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return a ``model.json`` as protobuf writes it, and 24 bytes for each of three tensors."""
    inner = {"name": "inner", "optimize": True, "parameters": [parameter("w", 1)]}
    main = {
        "torchscriptArena": {"key": "code/net.py"},
        "parameters": [parameter("b", 2, isBuffer=True), parameter("w", 0)],
        "submodules": [inner],
    } | changes
    model = {
        "protoVersion": "1",
        "producerName": "pytorch",
        "mainModule": main,
        "tensors": list(tensors) or [tensor("0"), tensor("0", offset="2"), scalar()],
    }
    return json.dumps(model).encode()


def scalar() -> dict[str, Any]:
    made = tensor("1", dataType="INT64")
    return {key: value for key, value in made.items() if key not in ("dims", "strides", "offset")}


def parameter(name: str, number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"name": name, "tensorId": str(number)} | changes


def old_archive(model: bytes) -> bytes:
    records: dict[str, bytes | str] = {
        "version": "1\n",
        "code/net.py": "op_version_set = 0\n",
        "model.json": model,
        "tensors/0": FOUR,
        "tensors/1": struct.pack("<q", -5),
    }
    return zipped(records)


def test_model_json_gives_a_state_dict() -> None:
    opened = read(old_archive(model_json()))
    assert opened.error is None
    assert opened.anomalies == []
    state = tensors_of(opened.root)
    assert list(state) == ["w", "b", "inner.w"]
    assert content(state["w"]) == FOUR[:8]
    assert content(state["inner.w"]) == FOUR[8:]
    assert content(state["b"]) == struct.pack("<q", -5)
    assert state["b"].shape == ()
    assert state["w"].storage is state["inner.w"].storage
    assert opened.writer == "TorchScript, torch 1.0 to 1.3"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        (b"", ContainerError),
        (b"{", ContainerError),
        (b"[]", ContainerError),
        (b"{}", ContainerError),
        (b'{"mainModule": 1}', ContainerError),
        (b'{"mainModule": {"parameters": [{"name": "w"}]}}', ContainerError),
        (b"\xff\xfe{}", ContainerError),
        (b'{"other": ' + b"[" * 200_000, ContainerError),
        (b'{"mainModule": ' + b'{"submodules": [' * 100_000, ContainerError),
        (model_json(tensor("0", dims=["9"]), tensor("0"), scalar()), TensorError),
        (model_json(tensor("0", offset="3"), tensor("0"), scalar()), TensorError),
        (model_json(tensor("0", offset="-1"), tensor("0"), scalar()), TensorError),
        (model_json(tensor("0", strides=["4"]), tensor("0"), scalar()), TensorError),
        (model_json(tensor("0", strides=[]), tensor("0"), scalar()), TensorError),
        (model_json(tensor("../../0"), tensor("0"), scalar()), TensorError),
        (model_json(tensor("0", dataType="STRING"), tensor("0"), scalar()), FormatError),
        (model_json(tensor("0", isQuantized=True), tensor("0"), scalar()), FormatError),
        (model_json(tensor("0", dims=["1" + "0" * 30]), tensor("0"), scalar()), FormatError),
        (model_json(tensor("0")), TensorError),
        (model_json(parameters=[parameter("w", -1)]), TensorError),
    ],
)
def test_broken_model_json_is_an_error_in_what_is_opened(
    model: bytes, error: type[FormatError]
) -> None:
    assert isinstance(read(old_archive(model)).error, error)


def test_tensors_that_can_be_read_are_kept() -> None:
    opened = read(old_archive(model_json(tensor("0", dims=["9"]), tensor("0"), scalar())))
    assert opened.error is not None
    assert list(tensors_of(opened.root)) == ["b", "inner.w"]


def test_model_json_is_limited() -> None:
    error = read(old_archive(model_json()), max_small_record_bytes=100).error
    assert isinstance(error, LimitError)
    nested: dict[str, Any] = {"name": "x"}
    for _ in range(50):
        nested = {"name": "x", "submodules": [nested]}
    model = model_json(submodules=[nested])
    assert isinstance(read(old_archive(model), max_depth=20).error, LimitError)
    assert isinstance(read(old_archive(model), max_header_bytes=300).error, LimitError)

"""torch.export archives by hand, and archives that lie."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from converter.checkpoint.canonical import Opened
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import InertValue, MappingValue
from converter.errors import ContainerError, DepickleError, FormatError, LimitError, TensorError
from converter.limits import DEFAULT_LIMITS
from converter.readers.torch_export import read_torch_export
from tests.support.archives import content, found, read_with, tensors_of, zipped
from tests.support.pickles import tensor_opcodes, text, torch_zip

FOUR = struct.pack("<4f", 1, 2, 3, 4)
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
PROGRAM = "models/model.json"


def payload(path: str = "weight_0", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return a payload of two float32 numbers; changes go to its tensor_meta."""
    meta = {
        "dtype": 7,
        "sizes": [{"as_int": 2}],
        "strides": [{"as_int": 1}],
        "storage_offset": {"as_int": 0},
        "requires_grad": True,
        "layout": 7,
        "device": {"type": "cpu", "index": None},
    }
    return {
        "path_name": path,
        "is_param": True,
        "use_pickle": False,
        "tensor_meta": meta | changes,
    }


def config(**payloads: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps({"config": payloads})


def program(*names: tuple[str, str]) -> str:
    """Return a graph of nothing but a signature of (kind, name)."""
    specs: list[dict[str, Any]] = [
        {kind: {"arg": {"name": "x"}, f"{kind}_name": name}} for kind, name in names
    ]
    specs.append({"user_input": {"arg": {"as_tensor": {"name": "x"}}}})
    return json.dumps({"graph_module": {"graph": {}, "signature": {"input_specs": specs}}})


def archive(**changes: bytes | str | None) -> bytes:
    """Return a small honest archive, with records replaced, added or (None) left out."""
    records: dict[str, bytes | str | None] = {
        "data/weights/weight_0": FOUR,
        WEIGHTS: config(b=payload(), a=payload(storage_offset={"as_int": 2})),
        "archive_format": "pt2",
        "byteorder": "little",
    }
    records.update(changes)
    return zipped({name: content for name, content in records.items() if content is not None})


def read(data: bytes, **limits: int) -> Opened:
    return read_with(read_torch_export, data, DEFAULT_LIMITS._replace(**limits))


def model_of(opened: Opened) -> dict[str, TensorRef]:
    model = found(opened.root, "model")
    return tensors_of(model if isinstance(model, MappingValue) else opened.root)


def test_order_is_that_of_the_signature() -> None:
    signature = program(("buffer", "b"), ("tensor_constant", "c"), ("parameter", "a"))
    opened = read(archive(**{PROGRAM: signature}))
    assert opened.error is None
    assert opened.anomalies == []
    state = model_of(opened)
    assert list(state) == ["a", "b"]
    assert content(state["a"]) == FOUR[8:]
    assert content(state["b"]) == FOUR[:8]


def test_without_a_graph_the_order_is_that_of_the_configuration() -> None:
    assert list(model_of(read(archive()))) == ["b", "a"]


def test_graph_that_is_too_long_is_not_needed() -> None:
    data = archive(**{PROGRAM: program(("parameter", "a" * 1_000))})
    opened = read(data, max_small_record_bytes=900)
    assert opened.error is None
    assert list(model_of(opened)) == ["b", "a"]
    assert "export_order_unknown" in [note.code for note in opened.notes]


def test_big_endian_weights_are_swapped() -> None:
    opened = read(archive(byteorder="big"))
    assert content(model_of(opened)["b"]) == struct.pack("<2f", *struct.unpack(">2f", FOUR[:8]))


def test_objects_are_inert_values() -> None:
    opaque = b"\x80\x02cposix\nsystem\n" + text("true") + b"\x85R."
    custom = torch_zip(b"\x80\x02c__torch__.torch.classes.x\nY\n)\x81}b.", {})
    constants = {
        "python": {"path_name": "opaque_obj_0", "use_pickle": True, "tensor_meta": None},
        "script": {"path_name": "custom_obj_0", "use_pickle": True, "tensor_meta": None},
    }
    changes: dict[str, bytes | str] = {
        CONSTANTS: config(**constants),
        "data/constants/opaque_obj_0": opaque,
        "data/constants/custom_obj_0": custom,
    }
    opened = read(archive(**changes))
    assert opened.error is None
    python = found(opened.root, "constants", "python")
    assert isinstance(python, InertValue)
    assert python.class_name == "posix.system"
    script = found(opened.root, "constants", "script")
    assert isinstance(script, InertValue)
    assert script.class_name == "__torch__.torch.classes.x.Y"
    assert len(opened.graphs) == 2


def test_weights_nobody_names_are_listed() -> None:
    opened = read(archive(**{"data/weights/weight_9": b"1234", "data/aotinductor/m/x.so": b"1"}))
    assert [a.record for a in opened.anomalies] == ["r/data/weights/weight_9"]
    assert "records_unread" in [note.code for note in opened.notes]


BROKEN_CONFIGS: dict[str, str | bytes] = {
    "empty": "",
    "cut": '{"config": {"a": {',
    "list": "[]",
    "no config": "{}",
    "number": '{"config": {"a": 1}}',
    "no meta": config(a={"path_name": "weight_0", "use_pickle": False, "tensor_meta": None}),
    "no record": config(a=payload("weight_9")),
    "elsewhere": config(a=payload("../../byteorder")),
    "deep": '{"x": ' + "[" * 300_000,
    "deep payload": '{"config": {"a": {"y": ' + '{"z":' * 300_000,
    "not utf-8": b'{"config": {"\xff\xfe": 1}}',
    "huge number": config(a=payload(dtype=10**400)),
    "huge size": config(a=payload(sizes=[{"as_int": 10**18}])),
    "negative size": config(a=payload(sizes=[{"as_int": -1}])),
    "negative offset": config(a=payload(storage_offset={"as_int": -1})),
    "offset": config(a=payload(storage_offset={"as_int": 3})),
    "stride": config(a=payload(strides=[{"as_int": 4}])),
    "no strides": config(a=payload(strides=[])),
    "symbolic": config(a=payload(sizes=[{"as_expr": {"expr_str": "s0"}}])),
    "type": config(a=payload(dtype=99)),
    "layout": config(a=payload(layout=1)),
    "expanded": config(a=payload(sizes=[{"as_int": 10**12}], strides=[{"as_int": 0}])),
    "no pickle": config(a=payload() | {"use_pickle": True}),
}


@pytest.mark.parametrize("name", BROKEN_CONFIGS)
def test_broken_configuration_is_an_error_in_what_is_opened(name: str) -> None:
    opened = read(archive(**{WEIGHTS: BROKEN_CONFIGS[name]}))
    assert isinstance(opened.error, FormatError)
    assert opened.error.source == "archive"


def test_weights_that_can_be_read_are_kept() -> None:
    opened = read(archive(**{WEIGHTS: config(bad=payload(dtype=99), good=payload())}))
    assert opened.error is not None
    assert list(model_of(opened)) == ["good"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"graph_module": 5}', '{"x":' + "[" * 200_000])
def test_broken_graph_leaves_the_weights(text: str) -> None:
    opened = read(archive(**{PROGRAM: text}))
    assert isinstance(opened.error, ContainerError)
    assert list(model_of(opened)) == ["b", "a"]


def test_short_weight_is_an_error() -> None:
    assert isinstance(read(archive(**{"data/weights/weight_0": FOUR[:7]})).error, TensorError)


def test_broken_inputs_leave_the_weights() -> None:
    for broken in (b"PK\x03\x04", b"nonsense", b"\x80\x02N."):
        opened = read(archive(**{"data/sample_inputs/model.pt": broken}))
        assert isinstance(opened.error, DepickleError)
        assert list(model_of(opened)) == ["b", "a"]


def test_limits_hold() -> None:
    assert isinstance(read(archive(), max_small_record_bytes=50).error, LimitError)
    assert isinstance(read(archive(), max_dims=0).error, LimitError)


def test_archive_without_a_model_is_refused() -> None:
    with pytest.raises(ContainerError, match="without a model"):
        read(archive(**{WEIGHTS: None}))


def test_every_truncation_is_an_error() -> None:
    data = archive()
    for length in range(0, len(data), 7):
        with pytest.raises(DepickleError):
            read(data[:length])


# Before 2.8


def early(**changes: bytes | str | None) -> bytes:
    weights = torch_zip(b"\x80\x02}" + text("w") + tensor_opcodes("0", 4) + b"s.", {"0": FOUR})
    records: dict[str, bytes | str | None] = {
        "serialized_exported_program.json": "{}",
        "serialized_state_dict.pt": weights,
        "version": "5.1",
    }
    records.update(changes)
    kept = {name: content for name, content in records.items() if content is not None}
    return zipped(kept, root="")


def test_early_layout_has_nested_files() -> None:
    opened = read(early())
    assert opened.error is None
    assert opened.anomalies == []
    assert content(tensors_of(opened.root)["w"]) == FOUR


def test_empty_parts_of_the_early_layout_are_left_out() -> None:
    opened = read(early(**{"serialized_constants.pt": torch_zip(b"\x80\x02}.", {}), "odd": b"1"}))
    assert opened.error is None
    assert list(tensors_of(opened.root)) == ["w"]
    assert "records_unread" in [note.code for note in opened.notes]


def test_nested_file_may_be_a_legacy_stream() -> None:
    inputs = (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
        b"\x80\x02}.\x80\x02K\x07.\x80\x02]."
    )
    opened = read(archive(**{"data/sample_inputs/model.pt": inputs}))
    assert opened.error is None
    assert found(opened.root, "sample_inputs") == 7


def test_earliest_layout_calls_them_json() -> None:
    weights = torch_zip(b"\x80\x02}" + text("w") + tensor_opcodes("0", 4) + b"s.", {"0": FOUR})
    opened = read(
        early(**{"serialized_state_dict.pt": None, "serialized_state_dict.json": weights})
    )
    assert opened.error is None
    assert content(tensors_of(opened.root)["w"]) == FOUR


@pytest.mark.parametrize("blob", [None, b"", b"PK\x03\x04", b"nonsense"])
def test_early_layout_without_weights_is_an_error(blob: bytes | None) -> None:
    assert isinstance(read(early(**{"serialized_state_dict.pt": blob})).error, DepickleError)

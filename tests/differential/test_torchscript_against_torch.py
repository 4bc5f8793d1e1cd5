"""Modules that torch.jit saves: names, order and bytes against what torch.jit.load gives back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from converter.checkpoint.values import SequenceValue, Value  # noqa: E402 - after the skip
from converter.readers.torchscript import DETAILS, read_torchscript  # noqa: E402 - after the skip
from tests.support.archives import (  # noqa: E402 - after the skip
    described,
    found,
    live_described,
    opened_with,
    records_of,
    tensors_of,
    zipped,
)
from tests.support.real_checkpoints import fetch  # noqa: E402 - after the skip
from tests.support.scripted_modules import (  # noqa: E402 - after the skip
    AddsConstant,
    Attributes,
    Buffers,
    Layers,
    Shared,
    TensorAttributes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from converter.checkpoint.canonical import Checkpoint

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # torch.jit says at every call that it is deprecated
]

nn = torch.nn


def saved(module: Any, **options: Any) -> bytes:  # noqa: ANN401 - a ScriptModule
    """Return what torch.jit.save writes."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer, **options)
    return buffer.getvalue()


def traced(module: Any, *inputs: Any) -> Any:  # noqa: ANN401 - modules and tensors
    return torch.jit.trace(module, inputs, check_trace=False)


def typed_lists() -> Any:  # noqa: ANN401 - a ScriptModule
    return torch.jit.script(Attributes())


MODULES: dict[str, Callable[[], Any]] = {
    "linear": lambda: torch.jit.script(nn.Linear(3, 2)),
    "no bias": lambda: torch.jit.script(nn.Linear(3, 2, bias=False)),
    "empty": lambda: torch.jit.script(nn.ReLU()),
    "shared": lambda: torch.jit.script(Shared()),
    "buffers": lambda: torch.jit.script(Buffers()),
    "layers": lambda: torch.jit.script(Layers()),
    "attributes": typed_lists,
    "tensor attributes": lambda: torch.jit.script(TensorAttributes()),
    "half": lambda: torch.jit.script(nn.Linear(3, 2).half()),
    "bfloat16": lambda: torch.jit.script(nn.Linear(3, 2).bfloat16()),
    "double": lambda: torch.jit.script(nn.Conv2d(2, 3, 3).double()),
    "complex": lambda: torch.jit.script(nn.Linear(3, 2, dtype=torch.complex64)),
    "channels last": lambda: torch.jit.script(
        nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    ),
    "lstm": lambda: torch.jit.script(nn.LSTM(3, 4, num_layers=2, bidirectional=True)),
    "attention": lambda: torch.jit.script(nn.MultiheadAttention(4, 2)),
    "transformer": lambda: torch.jit.script(nn.TransformerEncoderLayer(4, 2, 8)),
    "traced": lambda: traced(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), torch.randn(1, 3, 8, 8)
    ),
    "traced shared": lambda: traced(Shared(), torch.randn(1, 2)),
    "traced lstm": lambda: traced(nn.LSTM(3, 4), torch.randn(2, 1, 3)),
    "traced function": lambda: torch.jit.trace_module(
        Buffers(), {"forward": (torch.randn(2),)}, check_trace=False
    ),
    "dynamic quantised": lambda: torch.jit.script(
        torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 2)), {nn.Linear})
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_state_dict_is_the_one_of_torch(name: str) -> None:
    data = saved(MODULES[name]())
    checkpoint = opened_with(read_torchscript, data)
    expected = live_described(torch.jit.load(io.BytesIO(data)).state_dict())
    ours = described(state_of(checkpoint))
    assert list(ours) == list(expected)
    assert ours == expected


@pytest.mark.parametrize("name", MODULES)
def test_every_record_is_named(name: str) -> None:
    opened = opened_with(read_torchscript, saved(MODULES[name]())).opened
    assert opened.anomalies == []
    expected = {"torchscript_records_ignored", "traced_inputs_left_out"}
    assert {note.code for note in opened.notes} <= expected


@pytest.mark.parametrize("name", ["linear", "shared", "layers", "lstm", "traced shared", "half"])
def test_module_without_other_tensors_is_a_lone_state_dict(name: str) -> None:
    checkpoint = opened_with(read_torchscript, saved(MODULES[name]()))
    assert checkpoint.bare
    assert checkpoint.style == "state_dict"
    assert [component.name for component in checkpoint.components] == ["model"]


def test_sharing_is_kept() -> None:
    checkpoint = opened_with(read_torchscript, saved(torch.jit.script(Shared())))
    state = state_of(checkpoint)
    assert state["first.weight"].storage is state["tied.weight"].storage
    assert state["first.weight"] is state["same.weight"]
    assert len(checkpoint.opened.storages) == 3


def test_lists_that_repeat_weights_are_their_names() -> None:
    data = saved(torch.jit.script(nn.Sequential(nn.LSTM(3, 4))))
    root = opened_with(read_torchscript, data).opened.root
    names = found(root, "@", DETAILS, "aliases", "0._flat_weights")
    assert items(names) == ["0.weight_ih_l0", "0.weight_hh_l0", "0.bias_ih_l0", "0.bias_hh_l0"]


def test_attributes_and_constants_in_code_are_values() -> None:
    root = opened_with(read_torchscript, saved(typed_lists())).opened.root
    attributes = ("@", DETAILS, "attributes")
    assert found(root, *attributes, "training") is True
    assert items(found(root, *attributes, "ints")) == [1, 2]
    assert items(found(root, *attributes, "floats")) == [1.5]
    assert items(found(root, *attributes, "bools")) == [True, False]
    assert found(root, *attributes, "table", "a") == 1
    assert found(root, *attributes, "text") == "täxt"
    assert found(root, "@", DETAILS, "constants_in_code", "layer.in_features") == "Final[int] = 2"
    classes = found(root, "@", DETAILS, "classes")
    layer = found(classes, "layer")
    assert isinstance(layer, str)
    assert layer.startswith("__torch__.torch.nn.modules.linear.")


def test_tensor_attributes_are_kept_apart() -> None:
    checkpoint = opened_with(read_torchscript, saved(torch.jit.script(TensorAttributes())))
    kinds = [(part.name, str(part.kind)) for part in checkpoint.components]
    assert kinds == [("model", "model"), ("extra", "extra")]
    assert list(checkpoint.tensors()) == [
        "model.w",
        "extra.attributes.plain",
        "extra.attributes.listed.0",
        "extra.attributes.listed.1",
        "extra.attributes.by_name.k",
    ]
    live = TensorAttributes()
    assert described(checkpoint.components[1].tensors) == live_described(
        {
            "attributes.plain": live.plain,
            "attributes.listed.0": live.listed[0],
            "attributes.listed.1": live.listed[1],
            "attributes.by_name.k": live.by_name["k"],
        }
    )


def test_frozen_module_has_its_weights_in_constants() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)).eval()
    data = saved(torch.jit.freeze(torch.jit.script(model)))
    checkpoint = opened_with(read_torchscript, data)
    (part, _) = checkpoint.components
    assert part.name == "constants"
    assert list(part.tensors) == [f"CONSTANTS.c{index}" for index in range(len(part.tensors))]
    assert set(live_described(model.state_dict()).values()) == set(described(part.tensors).values())
    loaded = torch.jit.load(io.BytesIO(data))
    assert loaded.state_dict() == {}
    graph = loaded.inlined_graph
    nodes = graph.findAllNodes("prim::Constant")
    tensors = [n.t("value") for n in nodes if n.hasAttribute("value") and n.kindOf("value") == "t"]
    live = {str(index): tensor for index, tensor in enumerate(tensors)}
    assert set(live_described(live).values()) == set(described(part.tensors).values())


def test_constants_stand_beside_the_model() -> None:
    data = saved(traced(AddsConstant(), torch.randn(2, 2)))
    checkpoint = opened_with(read_torchscript, data)
    assert list(checkpoint.tensors()) == ["model.w", "constants.CONSTANTS.c0"]
    (_, constants, *_) = checkpoint.components
    assert described(constants.tensors) == live_described(
        {"CONSTANTS.c0": torch.tensor([1.0, 2.0])}
    )


def test_extra_files_are_values() -> None:
    files = {"note.txt": "grüße", "sub/raw.bin": b"\xff\x00", "long": "x" * 100_000}
    opened = opened_with(
        read_torchscript, saved(torch.jit.script(nn.Linear(1, 1)), _extra_files=files)
    ).opened
    extras = ("@", DETAILS, "extra_files")
    assert found(opened.root, *extras, "note.txt") == "grüße"
    assert found(opened.root, *extras, "sub/raw.bin") == b"\xff\x00"
    assert found(opened.root, *extras, "long") is None
    assert "extra_files_not_kept" in [note.code for note in opened.notes]


def test_lite_interpreter_file_is_read_too() -> None:
    module = torch.jit.script(Buffers())
    data = module._save_to_buffer_for_lite_interpreter()  # noqa: SLF001 - torch has no public way
    checkpoint = opened_with(read_torchscript, data)
    assert described(state_of(checkpoint)) == live_described(module.state_dict())
    (note,) = [n for n in checkpoint.notes if n.code == "torchscript_records_ignored"]
    assert "bytecode.pkl" in note.text


def test_texts_of_old_releases_leave_out_the_buffers() -> None:
    records = records_of(saved(torch.jit.script(Buffers())))
    old = {
        name: b"\n".join(line for line in text.split(b"\n") if b"__buffers__" not in line)
        if name.endswith(".py")
        else text
        for name, text in records.items()
    }
    checkpoint = opened_with(read_torchscript, zipped(old))
    assert list(state_of(checkpoint)) == ["w", "kept", "not_kept"]
    assert "torchscript_buffers_unmarked" in [note.code for note in checkpoint.notes]


@pytest.mark.network
def test_published_module_is_read_as_torch_reads_it() -> None:
    path = fetch("silero-vad", "6.2.3", "silero_vad/data/silero_vad.jit")
    checkpoint = opened_with(read_torchscript, path.read_bytes())
    expected = live_described(torch.jit.load(str(path), map_location="cpu").state_dict())
    ours = described(state_of(checkpoint))
    assert list(ours) == list(expected)
    assert ours == expected
    # 32 of the module's object, one constant of its code
    assert len(checkpoint.opened.storages) == 33
    assert len(expected) == 30


def state_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the state_dict of a checkpoint: alone, beside others, or empty."""
    root = checkpoint.opened.root
    model = found(root, "model")
    if model is not None and found(root, "@") is None:
        return tensors_of(model)
    is_bundle = any(found(root, key) is not None for key in ("constants", "extra"))
    return {} if is_bundle else tensors_of(root)


def items(value: Value) -> list[Value]:
    assert isinstance(value, SequenceValue)
    return value.items

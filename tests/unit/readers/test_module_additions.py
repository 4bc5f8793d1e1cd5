"""What torch's own classes add to state_dict(), from trees made by hand."""

from __future__ import annotations

import struct

import pytest

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import GlobalValue, InertValue, PlainValue, SequenceValue, Value
from converter.limits import DEFAULT_LIMITS
from converter.readers.module_additions import scalar_tensor, script_state
from converter.readers.module_printing import print_module
from converter.readers.module_state import module_state
from tests.support.module_values import mapping_of, module_of, tensor_of, tuple_of
from tests.support.saved_modules import content

QINT8 = PlainValue("torch.dtype", ("qint8",))


@pytest.mark.parametrize(
    ("number", "dtype", "data"),
    [
        (0.5, "float32", struct.pack("<f", 0.5)),
        (1e300, "float32", struct.pack("<f", float("inf"))),
        (-1e300, "float32", struct.pack("<f", float("-inf"))),
        (-3, "int64", struct.pack("<q", -3)),
    ],
)
def test_numbers_become_tensors_as_torch_makes_them(number: float, dtype: str, data: bytes) -> None:
    tensor = scalar_tensor(number)
    assert isinstance(tensor, TensorRef)
    assert (tensor.dtype.name, tensor.shape, content(tensor)) == (dtype, (), data)


@pytest.mark.parametrize("value", [1 << 63, True, None, "text"])
def test_other_values_stay_themselves(value: Value) -> None:
    assert scalar_tensor(value) is value


def test_script_objects_give_their_state() -> None:
    state = tuple_of(1, 2)
    value = InertValue("torch.ScriptObject", "NEWOBJ", states=[tuple_of(state, "__torch__.X")])
    assert script_state(value) is state
    empty = InertValue("torch.ScriptObject", "NEWOBJ")
    assert script_state(empty) is empty
    assert script_state("text") == "text"


def test_packed_weights_of_the_first_releases() -> None:
    # Until 1.8 or so LinearPackedParams pickled (weight, bias, training, dtype).
    weight, bias = tensor_of(1, 2), tensor_of(3)
    packed = InertValue(
        "torch.nn.quantized.modules.linear.LinearPackedParams",
        "NEWOBJ",
        states=[tuple_of(weight, bias, False, QINT8)],  # noqa: FBT003 - as torch orders them
    )
    linear = module_of(
        "torch.nn.quantized.modules.linear.Linear",
        modules={"_packed_params": packed},
        attributes={"scale": 1.5, "zero_point": 2, "in_features": 2, "out_features": 1},
    )
    state = module_state(linear, DEFAULT_LIMITS)
    assert list(state.entries) == [
        "scale",
        "zero_point",
        "_packed_params.dtype",
        "_packed_params._packed_params",
    ]
    both = state.entries["_packed_params._packed_params"]
    assert isinstance(both, SequenceValue)
    assert both.items == [weight, bias]
    assert state.training == {"": True, "_packed_params": False}
    assert print_module(linear) == (
        "QuantizedLinear(in_features=2, out_features=1, scale=1.5, zero_point=2, qscheme=?)"
    )


def test_embedding_weight_comes_out_of_its_script_object() -> None:
    weight = tensor_of(1)
    script = InertValue(
        "torch.ScriptObject",
        "NEWOBJ",
        states=[
            tuple_of(
                tuple_of(1, SequenceValue("list", [weight]), SequenceValue("list", [])),
                "__torch__.torch.classes.quantized.EmbeddingPackedParamsBase",
            )
        ],
    )
    value = module_of(
        "torch.ao.nn.quantized.modules.embedding_ops.EmbeddingPackedParams",
        attributes={"dtype": QINT8, "_packed_weight": script},
    )
    entries = module_state(value, DEFAULT_LIMITS).entries
    assert entries == {"dtype": QINT8, "_packed_weight": weight}


def test_functional_with_a_scale() -> None:
    value = module_of(
        "torch.ao.nn.quantized.modules.functional_modules.QFunctional",
        attributes={"scale": 0.5, "zero_point": 3},
        modules={"activation_post_process": module_of("torch.nn.modules.linear.Identity")},
    )
    assert list(module_state(value, DEFAULT_LIMITS).entries) == ["scale", "zero_point"]
    assert print_module(value) == (
        "QFunctional(\n  scale=0.5, zero_point=3\n  (activation_post_process): Identity()\n)"
    )


@pytest.mark.parametrize(("scheme", "count"), [("per_tensor_affine", 4), ("per_channel_affine", 5)])
def test_reference_modules_describe_their_weight(scheme: str, count: int) -> None:
    value = module_of(
        "torch.ao.nn.quantized.reference.modules.linear.Linear",
        parameters={"weight": tensor_of(1)},
        buffers={"weight_scale": tensor_of(2), "weight_zero_point": tensor_of(3)},
        attributes={
            "weight_qscheme": PlainValue("torch.qscheme", (scheme,)),
            "weight_dtype": QINT8,
            "weight_axis": 0,
        },
    )
    assert len(module_state(value, DEFAULT_LIMITS).entries) == 1 + count


def test_packed_weights_of_a_lowered_graph_come_last() -> None:
    packed = InertValue("torch.ScriptObject", "NEWOBJ")
    hook = GlobalValue("torch.ao.quantization.fx._lower_to_native_backend", "_save_packed_weight")
    body = module_of(
        modules={"0": module_of(parameters={"w": tensor_of(1)})},
        attributes={
            "_packed_weight_1": packed,
            "_packed_weight_0": packed,
            "_packed_weight_text": "no object",
            "_state_dict_hooks": mapping_of({"0": hook}),
        },
    ).states[0]
    graph = InertValue(
        "torch.fx.graph_module.reduce_graph_module", "REDUCE", args=[body, "import torch"]
    )
    state = module_state(graph, DEFAULT_LIMITS)
    assert list(state.entries) == ["0.w", "_packed_weight_0", "_packed_weight_1"]
    assert state.certainty == "certain"


@pytest.mark.parametrize(
    ("class_name", "child", "names", "certainty"),
    [
        (
            "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.CheckpointWrapper",
            "_checkpoint_wrapped_module",
            ["fc.w"],
            "certain",
        ),
        (
            "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel",
            "_fsdp_wrapped_module",
            ["fc.w"],
            "probable",
        ),
        ("mine.Wrapper", "_fsdp_wrapped_module", ["_fsdp_wrapped_module.fc.w"], "probable"),
    ],
)
def test_wrappers_that_take_their_name_out_of_the_keys(
    class_name: str, child: str, names: list[str], certainty: str
) -> None:
    inner = module_of(modules={"fc": module_of(parameters={"w": tensor_of(1)})})
    state = module_state(module_of(class_name, modules={child: inner}), DEFAULT_LIMITS)
    assert list(state.entries) == names
    assert list(state.classes) == ["", child, f"{child}.fc"]
    assert state.certainty == certainty

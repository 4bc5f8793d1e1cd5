"""Recovering state_dict() from trees made by hand, hostile ones among them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converter.checkpoint.values import GlobalValue, InertValue, MappingValue, SequenceValue, Value
from converter.errors import LimitError
from converter.limits import DEFAULT_LIMITS
from converter.readers.module_state import module_state
from tests.support.module_values import mapping_of, module_of, tensor_of

LINEAR = "torch.nn.modules.linear.Linear"


def names_of(value: Value) -> list[str]:
    return list(module_state(value, DEFAULT_LIMITS).entries)


def test_order_is_parameters_buffers_modules() -> None:
    inner = module_of(LINEAR, parameters={"weight": tensor_of(1)})
    value = module_of(
        modules={"a": inner, "gone": None, "b": inner},
        buffers={"count": tensor_of(2), "cache": tensor_of(3), "none": None},
        parameters={"z": tensor_of(4), "absent": None},
        transient=("cache",),
    )
    state = module_state(value, DEFAULT_LIMITS)
    assert list(state.entries) == ["z", "count", "a.weight", "b.weight"]
    assert state.entries["a.weight"] is state.entries["b.weight"]
    assert state.tensors == state.entries
    assert state.certainty == "certain"
    assert list(state.classes) == list(state.training) == ["", "a", "b"]
    assert [(item.path, item.reason) for item in state.left_out] == [
        ("cache", "non-persistent buffer")
    ]


def test_repeated_key_keeps_its_place_and_takes_the_last_value() -> None:
    first, last = tensor_of(1), tensor_of(2)
    value = module_of(
        parameters={"a.w": first, "b": tensor_of(3)},
        modules={"a": module_of(parameters={"w": last})},
    )
    state = module_state(value, DEFAULT_LIMITS)
    assert list(state.entries) == ["a.w", "b"]
    assert state.entries["a.w"] is last
    assert [item.path for item in state.left_out] == ["a.w"]


def test_unknown_classes_make_names_probable_once_each() -> None:
    mine = module_of("mine.Block", parameters={"w": tensor_of(1)})
    state = module_state(module_of(modules={"0": mine, "1": mine}), DEFAULT_LIMITS)
    assert state.certainty == "probable"
    assert state.reasons == [
        "mine.Block is not one of torch's classes: methods of its own could change the names"
    ]


@pytest.mark.parametrize(
    "hook",
    [
        GlobalValue("mine", "rename"),
        InertValue("mine.Hook", "NEWOBJ"),
        InertValue("builtins.getattr", "REDUCE", args=[module_of("mine.Net"), "rename"]),
        "text",
    ],
)
def test_hooks_that_could_rename(hook: Value) -> None:
    value = module_of(attributes={"_state_dict_hooks": mapping_of({"0": hook})})
    (reason,) = module_state(value, DEFAULT_LIMITS).reasons
    assert reason.startswith("the whole: a hook may change names: ")


def test_hook_of_spectral_norm_is_harmless() -> None:
    hook = InertValue("torch.nn.utils.spectral_norm.SpectralNormStateDictHook", "NEWOBJ")
    value = module_of(attributes={"_state_dict_hooks": mapping_of({"0": hook})})
    assert module_state(value, DEFAULT_LIMITS).certainty == "certain"


def test_replaced_method_is_a_reason() -> None:
    value = module_of(attributes={"state_dict": GlobalValue("mine", "state_dict")})
    assert module_state(value, DEFAULT_LIMITS).reasons == [
        "the whole: an attribute replaces its state_dict"
    ]


def test_child_that_is_no_module() -> None:
    odd = InertValue("mine.Odd", "REDUCE", args=[mapping_of({"w": tensor_of(1)})])
    state = module_state(
        module_of(modules={"odd": odd, "name": GlobalValue("a", "b"), "text": "x"}), DEFAULT_LIMITS
    )
    assert state.entries == {}
    assert state.classes == {
        "": "torch.nn.modules.module.Module",
        "odd": "mine.Odd",
        "name": "a.b",
        "text": "str",
    }
    assert len(state.reasons) == 3
    assert [item.path for item in state.left_out] == ["odd.(arg 0).w"]


def test_module_that_contains_itself() -> None:
    value = module_of(parameters={"w": tensor_of(1)})
    state = value.states[0]
    assert isinstance(state, MappingValue)
    table = state.find("_modules")
    assert isinstance(table, MappingValue)
    table.entries.append(("self", value))
    found = module_state(value, DEFAULT_LIMITS)
    assert list(found.entries) == ["w"]
    assert found.reasons == ["self: this module contains itself"]


def chain(length: int) -> Value:
    value = module_of(parameters={"w": tensor_of(1)})
    for _ in range(length):
        value = module_of(modules={"m": value})
    return value


def test_depth_is_bounded() -> None:
    limits = DEFAULT_LIMITS._replace(max_depth=5)
    assert list(module_state(chain(5), limits).entries) == ["m.m.m.m.m.w"]
    with pytest.raises(LimitError, match="max_depth"):
        module_state(chain(6), limits)


def test_default_depth_does_not_reach_pythons_stack() -> None:
    assert len(names_of(chain(DEFAULT_LIMITS.max_depth))) == 1


def test_shared_modules_cannot_multiply_without_bound() -> None:
    value: Value = module_of()
    for _ in range(20):
        value = module_of(modules={"a": value, "b": value})
    with pytest.raises(LimitError, match="max_tensors"):
        module_state(value, DEFAULT_LIMITS._replace(max_tensors=1_000))


def test_entries_of_one_module_are_bounded() -> None:
    value = module_of(parameters={str(index): tensor_of(1) for index in range(11)})
    with pytest.raises(LimitError, match="max_tensors"):
        module_state(value, DEFAULT_LIMITS._replace(max_tensors=10))


def test_names_are_bounded() -> None:
    value = module_of(modules={"x" * 11: module_of()})
    with pytest.raises(LimitError, match="max_record_name_bytes"):
        module_state(value, DEFAULT_LIMITS._replace(max_record_name_bytes=10))


@pytest.mark.parametrize(
    ("registered", "reason"),
    [
        (("weight_g", "weight_v"), "computed from weight_g and weight_v (weight_norm)"),
        (("weight_orig", "weight_mask"), "computed from weight_orig and weight_mask (pruning)"),
        (("weight_orig",), "computed from weight_orig (spectral_norm)"),
        (("other",), "plain attribute, neither parameter nor buffer"),
    ],
)
def test_reasons_for_plain_attributes(registered: tuple[str, ...], reason: str) -> None:
    inner = module_of(
        LINEAR,
        parameters={name: tensor_of(1) for name in registered},
        attributes={"weight": tensor_of(2)},
    )
    (left,) = module_state(module_of(modules={"fc": inner}), DEFAULT_LIMITS).left_out
    assert (left.path, left.reason) == ("fc.weight", reason)


def test_modules_in_a_plain_list_are_left_out_by_name() -> None:
    hidden = module_of(LINEAR, parameters={"weight": tensor_of(1)})
    value = module_of(attributes={"layers": SequenceValue("list", [hidden])})
    (left,) = module_state(value, DEFAULT_LIMITS).left_out
    assert left.path == "layers.0.weight"
    assert left.reason == "held by an attribute, not registered in the module"


def test_alias_of_a_named_tensor_is_not_left_out() -> None:
    weight = tensor_of(1)
    alias = replace(weight, requires_grad=True)
    value = module_of(parameters={"w": weight}, attributes={"same": weight, "view": alias})
    assert module_state(value, DEFAULT_LIMITS).left_out == ()

"""Printing modules made by hand, hostile ones among them."""

from __future__ import annotations

from converter.checkpoint.values import GlobalValue, InertValue, MappingValue, SequenceValue, Value
from converter.limits import DEFAULT_LIMITS
from converter.readers.module_printing import print_module
from tests.support.module_values import mapping_of, module_of, tensor_of, tuple_of

LINEAR = "torch.nn.modules.linear.Linear"
CONV = "torch.nn.modules.conv.Conv2d"
MODULE_LIST = "torch.nn.modules.container.ModuleList"


def test_class_outside_torch_shows_name_and_children() -> None:
    linear = module_of(LINEAR, attributes={"in_features": 2, "out_features": 3})
    value = module_of("mine.Net.Inner", modules={"fc": linear, "none": None})
    assert print_module(value) == (
        "Inner(\n  (fc): Linear(in_features=2, out_features=3, bias=False)\n  (none): None\n)"
    )


def test_namesake_outside_torch_is_not_formatted() -> None:
    assert print_module(module_of("mine.Linear", attributes={"in_features": 2})) == "Linear()"


def test_missing_attributes_show_defaults_or_a_question_mark() -> None:
    attributes: dict[str, Value] = {
        "in_channels": 1,
        "out_channels": 2,
        "kernel_size": tuple_of(3, 3),
        "padding": tuple_of(0, 0),
        "dilation": tuple_of(1, 1),
    }
    assert print_module(module_of(CONV, attributes=attributes)) == (
        "Conv2d(1, 2, kernel_size=(3, 3), stride=?, bias=False)"
    )


def test_control_characters_are_escaped() -> None:
    inner = module_of("mine.Evil\x1b[31m")
    value = module_of(
        "torch.nn.modules.flatten.Flatten",
        attributes={"start_dim": "\x1b[2J\n(fake): Safe()", "end_dim": 1},
        modules={"a\x1b]0;x\x07\nb": inner},
    )
    text = print_module(value)
    assert text == (
        "Flatten(\n"
        "  start_dim=\\x1b[2J\\n(fake): Safe(), end_dim=1\n"
        "  (a\\x1b]0;x\\x07\\nb): Evil\\x1b[31m()\n"
        ")"
    )


def test_names_in_a_parameter_dict_are_escaped() -> None:
    value = module_of(
        "torch.nn.modules.container.ParameterDict",
        parameters={"a\nb": tensor_of(1)},
        attributes={"_keys": mapping_of({"a\nb": None})},
    )
    assert print_module(value) == (
        "ParameterDict(  (a\\nb): Tensor containing: [torch.FloatTensor of size 1])"
    )


def test_equal_neighbours_of_a_list_are_written_once() -> None:
    tanh = module_of("torch.nn.modules.activation.Tanh")
    other = module_of("torch.nn.modules.activation.Sigmoid")
    value = module_of(MODULE_LIST, modules={"0": tanh, "1": tanh, "2": other, "3": tanh})
    assert print_module(value) == (
        "ModuleList(\n  (0-1): 2 x Tanh()\n  (2): Sigmoid()\n  (3): Tanh()\n)"
    )
    assert print_module(module_of(MODULE_LIST)) == "ModuleList()"


def test_module_that_contains_itself() -> None:
    value = module_of("mine.Net")
    table = value.attribute("_modules")
    assert isinstance(table, MappingValue)
    table.entries.append(("me", value))
    assert print_module(value) == "Net(\n  (me): Net(...)\n)"


def test_depth_is_bounded() -> None:
    value: Value = module_of("mine.Leaf")
    for _ in range(5):
        value = module_of("mine.Net", modules={"m": value})
    text = print_module(value, DEFAULT_LIMITS._replace(max_depth=2))
    assert text == "Net(\n  (m): Net(\n    (m): Net(\n      (m): Net(...)\n    )\n  )\n)"


def test_deep_nesting_does_not_reach_pythons_stack() -> None:
    value: Value = module_of("mine.Leaf")
    for _ in range(2_000):
        value = module_of("mine.Net", modules={"m": value})
    assert "Net(...)" in print_module(value)


def test_shared_modules_cannot_multiply_without_bound() -> None:
    value: Value = module_of("mine.Leaf")
    for _ in range(64):
        value = module_of("mine.Net", modules={"a": value, "b": value})
    assert len(print_module(value)) < 1 << 26


def test_children_that_are_no_modules() -> None:
    value = module_of(
        "mine.Net",
        modules={"odd": InertValue("a.Odd", "NEWOBJ"), "name": GlobalValue("a", "b"), "n": 3},
    )
    assert print_module(value) == "Net(\n  (odd): Odd(...)\n  (name): <a.b>\n  (n): 3\n)"


def test_parameter_list_of_a_crafted_size() -> None:
    value = module_of(
        "torch.nn.modules.container.ParameterList",
        parameters={"0": tensor_of(1)},
        attributes={"_size": 10**12},
    )
    assert print_module(value).count("\n") < 20


def test_values_of_attributes_print_as_in_python() -> None:
    def flatten(value: Value) -> str:
        attributes: dict[str, Value] = {"start_dim": value, "end_dim": 0}
        return print_module(module_of("torch.nn.modules.flatten.Flatten", attributes=attributes))

    assert flatten(SequenceValue("list", [1, "a", None])) == (
        "Flatten(start_dim=[1, 'a', None], end_dim=0)"
    )
    assert flatten(1 << 20_000) == "Flatten(start_dim=<a large int>, end_dim=0)"
    loop = SequenceValue("list", [])
    loop.items.append(loop)
    assert "..." in flatten(loop)

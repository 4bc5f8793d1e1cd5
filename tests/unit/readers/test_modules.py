"""Recognising modules and naming their classes."""

from __future__ import annotations

import pytest

from converter.checkpoint.values import GlobalValue, InertValue, MappingValue, SequenceValue, Value
from converter.inert.nodes import ByteString
from converter.readers.modules import class_name_of, is_module, view_of
from tests.support.module_values import mapping_of, module_of, tensor_of, tuple_of

NET = GlobalValue("__main__", "Net")


def tables() -> MappingValue:
    state = module_of(parameters={"w": tensor_of(1)}).states[0]
    assert isinstance(state, MappingValue)
    return state


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        tensor_of(1),
        mapping_of({"_parameters": mapping_of({}), "_modules": mapping_of({})}),
        InertValue("a.B", "NEWOBJ"),
        InertValue("a.B", "NEWOBJ", states=[mapping_of({"_parameters": mapping_of({})})]),
        InertValue("a.B", "NEWOBJ", states=[mapping_of({"_parameters": 1, "_modules": 2})]),
        InertValue("torch.fx.graph_module.reduce_graph_module", "REDUCE"),
        InertValue("torch._dynamo.eval_frame.OptimizedModule", "REDUCE", args=["text"]),
        InertValue("torch.ao.nn.quantized.modules.conv.Conv2d", "NEWOBJ", states=[tuple_of(1, 2)]),
        InertValue("mine.Conv2d", "NEWOBJ", states=[tuple_of(*range(15))]),
    ],
)
def test_other_values_are_no_modules(value: Value) -> None:
    assert not is_module(value)
    assert view_of(value) is None


def test_state_with_slots() -> None:
    value = InertValue("a.B", "NEWOBJ", states=[tuple_of(tables(), mapping_of({"slot": 3}))])
    view = view_of(value)
    assert view is not None
    assert view.attributes["slot"] == 3
    assert [name for name, _ in view.parameters] == ["w"]


def test_names_that_python_2_wrote_as_bytes() -> None:
    state = MappingValue(
        "dict",
        [(ByteString(key.encode()), v) for key, v in tables().entries if isinstance(key, str)],
    )
    view = view_of(InertValue("a.B", "NEWOBJ", states=[state]))
    assert view is not None
    assert [name for name, _ in view.parameters] == ["w"]


def test_members_are_looked_up_as_python_would() -> None:
    first, second = tensor_of(1), tensor_of(2)
    view = view_of(module_of(parameters={"w": first, "b": None}, attributes={"w": second}))
    assert view is not None
    assert view.member("w") is second
    assert view.member("b") is None
    assert view.member("absent") is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (InertValue("a.B", "NEWOBJ"), "a.B"),
        (InertValue("copyreg._reconstructor", "REDUCE", args=[NET, None, None]), "__main__.Net"),
        (InertValue("copyreg.__newobj__", "REDUCE", args=[NET]), "__main__.Net"),
        (InertValue("copyreg._reconstructor", "REDUCE"), "copyreg._reconstructor"),
    ],
)
def test_class_names(value: InertValue, name: str) -> None:
    assert class_name_of(value) == name


@pytest.mark.parametrize(
    ("callee", "name"),
    [
        (InertValue("builtins.getattr", "REDUCE", args=[NET, "Inner"]), "__main__.Net.Inner"),
        (
            InertValue(
                "builtins.getattr",
                "REDUCE",
                args=[InertValue("builtins.getattr", "REDUCE", args=[NET, "A"]), "B"],
            ),
            "__main__.Net.A.B",
        ),
        (
            InertValue("cloudpickle.cloudpickle._make_skeleton_class", "REDUCE", args=[1, "Net"]),
            "__main__.Net",
        ),
        (InertValue("dill._dill._create_type", "REDUCE", args=[1, "Net"]), "__main__.Net"),
        (
            InertValue(
                "persistent id",
                "PERSISTENT",
                args=[tuple_of("module", NET, "file.py", "class Net: ...")],
            ),
            "__main__.Net",
        ),
        (InertValue("persistent id", "PERSISTENT", args=["other"]), "(computed)"),
        (InertValue("builtins.getattr", "REDUCE", args=[NET, 3]), "(computed)"),
        (InertValue("os.system", "REDUCE", args=[NET, "ls"]), "(computed)"),
        (SequenceValue("list", []), "(computed)"),
    ],
)
def test_names_of_classes_that_are_no_plain_name(callee: Value, name: str) -> None:
    assert class_name_of(InertValue("(computed)", "NEWOBJ", func=callee)) == name


def test_class_nested_in_itself_ends() -> None:
    callee = InertValue("builtins.getattr", "REDUCE", args=[None, "A"])
    callee.args[0] = callee
    assert class_name_of(InertValue("(computed)", "NEWOBJ", func=callee)) == "(computed)"


def test_graph_modules_and_compiled_modules_open() -> None:
    graph = InertValue("torch.fx.graph_module.reduce_graph_module", "REDUCE", args=[tables(), ""])
    view = view_of(graph)
    assert view is not None
    assert view.short_name == "GraphModule"
    compiled = InertValue("torch._dynamo.eval_frame.OptimizedModule", "REDUCE", args=[graph, None])
    view = view_of(compiled)
    assert view is not None
    assert view.modules == [("_orig_mod", graph)]

"""Tests of which tensors are written, and as what."""

from __future__ import annotations

import pytest

from converter.errors import PlanError
from converter.writing.options import WriteOptions
from converter.writing.selection import select_tensors
from tests.unit.writing.made import checkpoint, floats, of_components, storage, view

BUNDLE = checkpoint(
    model={"module.conv.weight": floats(), "module.conv.bias": floats(), "head": floats()},
    optimizer={"state.0.exp_avg": floats()},
)


def wanted(options: WriteOptions) -> list[str]:
    return [one.wanted for one in select_tensors(BUNDLE, options)[0]]


def left_out(options: WriteOptions) -> list[tuple[str, str]]:
    return [(one.source_name, one.reason) for one in select_tensors(BUNDLE, options)[1]]


def test_everything_by_default_under_full_names() -> None:
    assert wanted(WriteOptions()) == [
        "model.module.conv.weight",
        "model.module.conv.bias",
        "model.head",
        "optimizer.state.0.exp_avg",
    ]
    assert left_out(WriteOptions()) == []


def test_one_component_keeps_bare_names() -> None:
    options = WriteOptions(components=("model",))
    assert wanted(options) == ["module.conv.weight", "module.conv.bias", "head"]
    assert left_out(options) == [
        ("optimizer.state.0.exp_avg", "component 'optimizer' is not selected")
    ]


def test_two_components_keep_full_names() -> None:
    assert wanted(WriteOptions(components=("model", "optimizer")))[0] == "model.module.conv.weight"


def test_folder_keeps_bare_names() -> None:
    assert wanted(WriteOptions(folder=True))[-1] == "state.0.exp_avg"


def test_lone_state_dict_keeps_its_names() -> None:
    lone = checkpoint(bare=True, model={"a.b": floats(), "": floats()})
    assert [one.wanted for one in select_tensors(lone, WriteOptions())[0]] == ["a.b", ""]


def test_tensor_without_a_name_takes_its_components() -> None:
    bundle = checkpoint(ema={"": floats()}, model={"w": floats()})
    assert [one.wanted for one in select_tensors(bundle, WriteOptions())[0]] == ["ema", "model.w"]


@pytest.mark.parametrize("prefix", ["module", "module."])
def test_strip_prefix_acts_inside_the_component(prefix: str) -> None:
    assert wanted(WriteOptions(strip_prefixes=(prefix,))) == [
        "model.conv.weight",
        "model.conv.bias",
        "model.head",
        "optimizer.state.0.exp_avg",
    ]


def test_strip_prefixes_act_in_order_each_once() -> None:
    nested = checkpoint(bare=True, model={"a.b.a.b.w": floats()})
    options = WriteOptions(strip_prefixes=("a", "b"))
    assert select_tensors(nested, options)[0][0].wanted == "a.b.w"


@pytest.mark.parametrize("prefix", ["mod", "module.conv.weight", "optimizer"])
def test_strip_prefix_takes_whole_leading_parts_only(prefix: str) -> None:
    with pytest.raises(PlanError, match="strip-prefix matches nothing"):
        wanted(WriteOptions(strip_prefixes=(prefix,)))


def test_rename_takes_a_whole_name_or_leading_parts() -> None:
    options = WriteOptions(renames=(("head", "classifier"), ("module.conv", "stem")))
    assert wanted(options)[:3] == ["model.stem.weight", "model.stem.bias", "model.classifier"]


def test_names_can_be_exchanged() -> None:
    pair = checkpoint(bare=True, model={"a": floats(), "b": floats()})
    options = WriteOptions(renames=(("a", "b"), ("b", "a")))
    assert [one.wanted for one in select_tensors(pair, options)[0]] == ["b", "a"]


def test_rename_acts_after_strip_prefix() -> None:
    options = WriteOptions(strip_prefixes=("module",), renames=(("conv.weight", "w"),))
    assert wanted(options)[0] == "model.w"


@pytest.mark.parametrize("pattern", ["*.bias", "model.*.bias", "module.conv.bias"])
def test_exclude_matches_inner_and_full_names(pattern: str) -> None:
    options = WriteOptions(exclude=(pattern,))
    assert left_out(options) == [("model.module.conv.bias", f"excluded by {pattern!r}")]


def test_include_and_exclude_together() -> None:
    options = WriteOptions(include=("module.*",), exclude=("*.bias",))
    assert wanted(options) == ["model.module.conv.weight"]
    assert ("model.head", "not included") in left_out(options)


def test_patterns_tell_case_apart() -> None:
    with pytest.raises(PlanError, match="include matches nothing: 'HEAD': expected a pattern"):
        wanted(WriteOptions(include=("HEAD",)))


@pytest.mark.parametrize(
    "options",
    [
        WriteOptions(include=("nothing*",)),
        WriteOptions(exclude=("nothing*",)),
        WriteOptions(strip_prefixes=("nothing",)),
        WriteOptions(renames=(("nothing", "something"),)),
        WriteOptions(renames=(("head", "x"), ("head", "y"), ("module.con", "z"))),
        WriteOptions(components=("model",), exclude=("state.*",)),
    ],
)
def test_what_matches_nothing_is_refused(options: WriteOptions) -> None:
    with pytest.raises(PlanError, match="matches nothing"):
        wanted(options)


def test_unknown_component_names_those_there_are() -> None:
    with pytest.raises(PlanError, match="'modle': expected one of 'model', 'optimizer'"):
        wanted(WriteOptions(components=("modle",)))


@pytest.mark.parametrize(
    "options",
    [
        WriteOptions(strip_prefixes=("",)),
        WriteOptions(strip_prefixes=(".",)),
        WriteOptions(renames=(("", "x"),)),
        WriteOptions(renames=(("head", ""),)),
        WriteOptions(renames=(("head", "\udc80"),)),
    ],
)
def test_malformed_options_are_refused(options: WriteOptions) -> None:
    with pytest.raises(PlanError):
        wanted(options)


def test_tensors_without_bytes_are_left_out_and_empty_ones_are_not() -> None:
    meta = of_components(
        [
            (
                "model",
                {
                    "w": view(storage(None), "float32", (2,)),
                    "e": view(storage(None), "float32", (0,)),
                },
            )
        ],
        bare=True,
    )
    candidates, missing = select_tensors(meta, WriteOptions())
    assert [one.wanted for one in candidates] == ["e"]
    assert missing == [("w", "no bytes were saved (meta device)")]

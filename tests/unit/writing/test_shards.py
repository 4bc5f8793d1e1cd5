"""How a component is divided into files; what they are called is held against huggingface_hub."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from converter.errors import LimitError, PlanError
from converter.limits import DEFAULT_LIMITS
from converter.writing import WriteOptions, plan_output, write_output
from converter.writing.shards import divide, shard_names
from tests.unit.writing.made import checkpoint, floats, of_components

if TYPE_CHECKING:
    from pathlib import Path

SHARDED = WriteOptions(folder=True, max_shard_nbytes=40)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], [[]]),
        ([0], [[0]]),
        ([10], [[10]]),
        ([11], [[11]]),
        ([6, 6, 2, 6, 2, 2], [[6], [6, 2], [6, 2, 2]]),
        # What is too large has its place before the file that is being filled.
        ([4, 11, 5, 1, 1], [[11], [4, 5, 1], [1]]),
        ([0, 10, 0, 1], [[0, 10, 0], [1]]),
    ],
)
def test_items_are_divided_in_order(sizes: list[int], expected: list[list[int]]) -> None:
    assert divide(sizes, lambda size: size, 10) == expected


def test_one_file_keeps_its_name() -> None:
    assert shard_names("model.safetensors", 1) == ["model.safetensors"]
    assert shard_names("model.safetensors", 2)[1] == "model-00002-of-00002.safetensors"


def test_aliases_stay_with_what_they_stand_for(tmp_path: Path) -> None:
    tied = floats(8)
    made = checkpoint(model={"a": tied, "b": floats(8), "z": tied}, optimizer={"c": floats(2)})
    plan = plan_output(made, SHARDED, DEFAULT_LIMITS)
    assert [(file.file_name, [e.name for e in file.entries]) for file in plan.files] == [
        ("model-00001-of-00002.safetensors", ["a"]),
        ("model-00002-of-00002.safetensors", ["b"]),
        ("optimizer.safetensors", ["c"]),
    ]
    assert [dict(file.aliases) for file in plan.files] == [{"z": "a"}, {}, {}]
    write_output(plan, tmp_path / "run")
    index = json.loads((tmp_path / "run" / "model.safetensors.index.json").read_text())
    assert index == {
        "metadata": {"z": "a", "total_size": 64},
        "weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00002-of-00002.safetensors",
        },
    }
    assert plan.nbytes == sum(path.stat().st_size for path in (tmp_path / "run").iterdir())


def test_two_files_of_one_name_are_refused() -> None:
    made = of_components(
        [
            ("model", {"a": floats(8), "b": floats(8)}),
            ("Model-00001-of-00002", {"c": floats(2)}),
        ]
    )
    with pytest.raises(PlanError, match="two files would get one name"):
        plan_output(made, SHARDED, DEFAULT_LIMITS)


def test_a_folder_has_no_more_files_than_are_read_again() -> None:
    made = checkpoint(model={str(number): floats(8) for number in range(3)})
    with pytest.raises(LimitError, match="max_folder_files"):
        plan_output(made, SHARDED, DEFAULT_LIMITS._replace(max_folder_files=2))


@pytest.mark.parametrize(
    "options", [WriteOptions(max_shard_nbytes=5), replace(SHARDED, max_shard_nbytes=0)]
)
def test_shards_of_no_size_or_of_one_file_are_refused(options: WriteOptions) -> None:
    with pytest.raises(PlanError, match="shards of"):
        plan_output(checkpoint(model={"a": floats(8)}), options, DEFAULT_LIMITS)

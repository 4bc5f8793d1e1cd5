"""Which kind of folder it is, and what becomes of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import converter
from converter.checkpoint.values import MappingValue
from converter.errors import FormatError, SourceError, UnsupportedError
from converter.readers.folders import kind_of_folder
from converter.readers.opening import open_checkpoint
from tests.support.pickles import text
from tests.unit.readers.folder_writing import (
    bin_file,
    safetensors_file,
    value_file,
    write_index,
)

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = {"a.weight": [1.0, 2.0], "a.bias": [3.0]}
OPTIMIZER = b"}(" + text("state") + b"}" + text("param_groups") + b"](}(" + text("lr") + b"K\x01ueu"
SCHEDULER = b"}(" + text("last_epoch") + b"K\x05" + text("_step_count") + b"K\x06u"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ([".metadata", "__0_0.distcp"], "dcp"),
        (["__0.metadata", "__0_0.distcp"], "dcp_ranks"),
        (["__0_0.distcp"], "dcp_unfinished"),
        (["shard-00001-model-00001-of-00001.safetensors"], "dcp_safetensors"),
        (["model.safetensors", "optimizer.pt"], "training"),
        (["pytorch_model.bin", "trainer_state.json"], "training"),
        (["random_states_0.pkl"], "training"),
        (["pytorch_model_fsdp_0/", "scheduler.pt"], "training"),
        (["optimizer_0/"], "training"),
        (["model.safetensors", "latest", "global_step1/", "scheduler.pt"], "training"),
        (["latest", "global_step1/", "scheduler.pt"], "deepspeed"),
        (["mp_rank_00_model_states.pt"], "deepspeed"),
        (["model.safetensors", "training_args.bin", "config.json"], "model"),
        (["model.safetensors.index.json"], "model"),
        (["mine.safetensors.index.json"], "model"),
        (["adapter_model.safetensors"], "model"),
        (["a.safetensors.index.json", "b.safetensors.index.json"], "other"),
        (["latest"], "other"),
        (["model.onnx"], "other"),
        ([], "other"),
    ],
)
def test_kinds_are_told_by_names(names: list[str], kind: str) -> None:
    assert kind_of_folder(sorted(names)).name == kind


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["__0.metadata", "__1.metadata"], "ranks saved each for itself.*found __0.metadata, __1"),
        (["__0_0.distcp"], "without its metadata.*found __0_0.distcp"),
        (["notes.txt"], "folder of no known kind.*found notes.txt"),
        ([], "folder of no known kind.*found an empty folder"),
    ],
)
def test_what_cannot_be_read_says_why(names: list[str], message: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UnsupportedError, match=message):
        open_checkpoint(tmp_path)


def test_a_model_keeps_its_own_names(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors_file(WEIGHTS))
    (tmp_path / "pytorch_model.bin").write_bytes(b"not looked at")
    (tmp_path / "config.json").write_text("{}")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.style == "state_dict"
    assert list(checkpoint.tensors()) == list(WEIGHTS)
    notes = {note.code: note.text for note in checkpoint.notes}
    assert notes["folder_names_unread"].endswith("checkpoint: config.json, pytorch_model.bin")
    checkpoint.close()


def test_a_trainer_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(bin_file(WEIGHTS))
    (tmp_path / "optimizer.pt").write_bytes(value_file(OPTIMIZER))
    (tmp_path / "scheduler.pt").write_bytes(value_file(SCHEDULER))
    (tmp_path / "rng_state_0.pth").write_bytes(value_file(b"K\x07"))
    (tmp_path / "rng_state_1.pth").write_bytes(value_file(b"K\x08"))
    (tmp_path / "training_args.bin").write_bytes(value_file(b"ctransformers.x\nArgs\n)\x81"))
    (tmp_path / "trainer_state.json").write_text('{"global_step": 9, "log": [{"loss": 0.5}, []]}')
    report = converter.inspect(tmp_path)
    assert report.source.container == "training"
    assert [(line.name, line.kind) for line in report.components] == [
        ("model", "model"),
        ("optimizer", "optimizer"),
        ("scheduler", "scheduler"),
        ("extra", "extra"),
    ]
    assert [line.name for line in report.tensors] == ["model.a.weight", "model.a.bias"]
    values = {line.path: line.text for line in report.values}
    assert values["trainer_state.global_step"] == "9"
    assert values["trainer_state.log.0.loss"] == "0.5"
    assert values["rng_state_1"] == "8"
    assert "transformers.x.Args" in {line.name for line in report.names}
    result = converter.convert(tmp_path, tmp_path.parent / f"{tmp_path.name}.safetensors")
    assert result.verification is not None
    assert result.verification.identical


def test_an_accelerate_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors_file(WEIGHTS))
    (tmp_path / "model_1.safetensors").write_bytes(safetensors_file(WEIGHTS))
    for name in ("optimizer", "optimizer_1"):
        (tmp_path / f"{name}.bin").write_bytes(value_file(OPTIMIZER))
    (tmp_path / "scheduler.bin").write_bytes(value_file(SCHEDULER))
    (tmp_path / "sampler.bin").write_bytes(value_file(b"}"))
    (tmp_path / "scaler.pt").write_bytes(value_file(b"}"))
    (tmp_path / "random_states_0.pkl").write_bytes(value_file(b"}"))
    (tmp_path / "custom_checkpoint_0.pkl").write_bytes(value_file(b"}"))
    checkpoint = open_checkpoint(tmp_path)
    root = checkpoint.opened.root
    assert isinstance(root, MappingValue)
    assert sorted(root.text_keys()) == [
        "custom_checkpoint_0",
        "model",
        "model_1",
        "optimizer",
        "optimizer_1",
        "random_states_0",
        "sampler",
        "scaler",
        "scheduler",
    ]
    assert checkpoint.style == "multi_model"
    assert not [note for note in checkpoint.notes if note.code == "folder_names_unread"]
    checkpoint.close()


def test_shards_with_companions(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(safetensors_file(WEIGHTS))
    map_ = dict.fromkeys(WEIGHTS, "model-1.safetensors")
    write_index(tmp_path / "model.safetensors.index.json", map_)
    (tmp_path / "optimizer.pt").write_bytes(value_file(OPTIMIZER))
    (tmp_path / "optimizer.bin").write_bytes(value_file(OPTIMIZER))
    checkpoint = open_checkpoint(tmp_path)
    names = [component.name for component in checkpoint.components]
    assert names == ["model", "optimizer", "optimizer~"]
    checkpoint.close()


def test_only_what_belongs_to_training(tmp_path: Path) -> None:
    (tmp_path / "optimizer.pt").write_bytes(value_file(OPTIMIZER))
    checkpoint = open_checkpoint(tmp_path)
    assert [str(component.kind) for component in checkpoint.components] in (
        ["optimizer"],
        ["extra"],
    )
    checkpoint.close()


def test_links_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "elsewhere").write_bytes(safetensors_file(WEIGHTS))
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="symbolic link"):
        open_checkpoint(folder)


def test_a_broken_part_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors_file(WEIGHTS))
    (tmp_path / "optimizer.pt").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(FormatError, match=r"optimizer\.pt"):
        open_checkpoint(tmp_path)
    (tmp_path / "optimizer.pt").write_bytes(value_file(b"\xff"))
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.opened.error is not None
    checkpoint.close()


def test_the_files_are_closed_when_opening_fails(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(safetensors_file(WEIGHTS)[:-1])
    with pytest.raises(FormatError, match="truncated"):
        open_checkpoint(tmp_path)


def test_a_file_that_changes_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "model.safetensors"
    path.write_bytes(safetensors_file(WEIGHTS))
    checkpoint = open_checkpoint(folder)
    path.write_bytes(safetensors_file(WEIGHTS) + b" ")
    with pytest.raises(SourceError, match="changed while it was being read"):
        checkpoint.source.check_unchanged()
    checkpoint.close()

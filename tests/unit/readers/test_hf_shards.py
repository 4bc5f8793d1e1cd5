"""Models in several files: index and files held against each other, in both directions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import converter
from converter.errors import ContainerError, FormatError, LimitError, SourceError, TensorError
from converter.limits import DEFAULT_LIMITS
from converter.readers.hf_shards import is_index
from converter.readers.opening import open_checkpoint
from tests.support.logical_bytes import logical_bytes
from tests.unit.readers.folder_writing import bin_file, safetensors_file, write_index

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A = "model-00001-of-00002.safetensors"
B = "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model in two shards."""
    (tmp_path / A).write_bytes(safetensors_file({"b": [1, 2], "a": [3]}))
    (tmp_path / B).write_bytes(safetensors_file({"c": [4, 5, 6]}))
    write_index(tmp_path / INDEX, {"a": A, "b": A, "c": B}, total_size=24)
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def codes(folder: Path) -> dict[str, str]:
    """Return the notes on a folder."""
    return {note.code: note.text for note in converter.inspect(folder).notes}


def test_shards_are_one_state_dict(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    checkpoint = open_checkpoint(folder)
    assert checkpoint.style == "state_dict"
    assert checkpoint.opened.container == "model"
    found = {name: logical_bytes(tensor)[::4] for name, tensor in checkpoint.tensors().items()}
    assert list(found) == ["a", "b", "c"]
    assert checkpoint.source.nbytes == sum((folder / n).stat().st_size for n in (A, B, INDEX))
    checkpoint.close()
    assert codes(folder) == {
        "safetensors_metadata": "2 files: format = 'pt'",
        "folder_names_unread": "in the folder, but no part of the checkpoint: config.json",
    }
    report = converter.convert(folder, tmp_path_factory.mktemp("out") / "whole.safetensors")
    assert report.verification is not None
    assert report.verification.identical


def test_pickled_shards(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model-1.bin").write_bytes(bin_file({"a": [1]}))
    (tmp_path / "pytorch_model-2.bin").write_bytes(bin_file({"b": [2]}))
    map_ = {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}
    write_index(tmp_path / "pytorch_model.bin.index.json", map_)
    checkpoint = open_checkpoint(tmp_path)
    assert list(checkpoint.tensors()) == ["a", "b"]
    assert [name for name, _ in checkpoint.opened.graphs] == [
        "pytorch_model-1.bin!archive/data.pkl",
        "pytorch_model-2.bin!archive/data.pkl",
    ]
    checkpoint.close()


def test_all_missing_shards_are_named_in_one_sentence(folder: Path) -> None:
    (folder / A).unlink()
    (folder / B).unlink()
    with pytest.raises(ContainerError, match=f"2 missing: {A}, {B}") as caught:
        open_checkpoint(folder)
    assert caught.value.code == "shards_missing"


@pytest.mark.parametrize(
    "name",
    [
        "../outside.safetensors",
        "/outside.safetensors",
        "C:\\outside.safetensors",
        "sub/../../outside.safetensors",
        "link.safetensors",
        "linked/outside.safetensors",
        "...safetensors/../../outside.safetensors",
    ],
)
def test_names_that_lead_out_are_refused(name: str, folder: Path) -> None:
    inside = folder / "model"
    inside.mkdir()
    (folder / "outside.safetensors").write_bytes(safetensors_file({"a": [1]}))
    (inside / "link.safetensors").symlink_to(folder / "outside.safetensors")
    (inside / "linked").symlink_to(folder)
    write_index(inside / INDEX, {"a": name})
    with pytest.raises(SourceError, match=r"leads out|symbolic link"):
        open_checkpoint(inside)


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (lambda f: write_index(f / INDEX, {"a": "a.bin"}), ContainerError, "another kind"),
        (lambda f: write_index(f / INDEX, {"a": 3}), ContainerError, "another kind"),
        (lambda f: write_index(f / INDEX, {}), ContainerError, "without a map"),
        (lambda f: write_index(f / INDEX, []), ContainerError, "without a map"),
        (lambda f: (f / INDEX).write_text("[1]"), ContainerError, "without a map"),
        (lambda f: (f / INDEX).write_text("{"), ContainerError, "no JSON"),
        (
            lambda f: (f / INDEX).write_text('{"weight_map": {"a": 1, "a": 2}}'),
            ContainerError,
            "twice",
        ),
        (lambda f: (f / INDEX).write_text('{"\\ud800": 1}'), ContainerError, "no JSON"),
        (lambda f: (f / INDEX).write_bytes(b'{"\xff": 1}'), ContainerError, "no JSON"),
        (lambda f: (f / INDEX).write_text("[" * 100_000), ContainerError, "no JSON"),
        (lambda f: write_index(f / INDEX, {"x": A, "a": A}), TensorError, f"1 missing: x in {A}"),
        (lambda f: (f / B).write_bytes(b"x" * 100), FormatError, f"{B}"),
    ],
)
def test_indexes_that_do_not_fit(
    spoil: Callable[[Path], object], error: type[Exception], text: str, folder: Path
) -> None:
    spoil(folder)
    with pytest.raises(error, match=text):
        open_checkpoint(folder)


def test_limits_hold(folder: Path) -> None:
    for limits in (
        DEFAULT_LIMITS._replace(max_small_record_bytes=20),
        DEFAULT_LIMITS._replace(max_tensors=2),
    ):
        with pytest.raises(LimitError):
            open_checkpoint(folder, limits=limits)


def test_tensors_beyond_the_map(folder: Path) -> None:
    (folder / B).write_bytes(safetensors_file({"c": [4, 5, 6], "extra": [7], "a": [8]}))
    checkpoint = open_checkpoint(folder)
    assert list(checkpoint.tensors()) == ["a", "b", "c", "extra"]
    assert logical_bytes(checkpoint.tensors()["a"]) == b"\0\0\x40\x40"
    checkpoint.close()
    notes = codes(folder)
    assert notes["shard_tensors_unlisted"].endswith(f"extra in {B}")
    assert notes["shard_tensors_twice"].endswith(f"a in {B}")
    assert "says 24 bytes in all; its tensors have 28" in notes["index_total_differs"]


def test_second_names_in_the_index(folder: Path) -> None:
    write_index(folder / INDEX, {"a": A, "b": A, "c": B}, tied="a", format="pt", total_size=24)
    checkpoint = open_checkpoint(folder)
    tensors = checkpoint.tensors()
    assert tensors["tied"] is tensors["a"]
    checkpoint.close()
    assert "index_total_differs" not in codes(folder)


def test_shards_that_hold_something_else(folder: Path) -> None:
    (folder / "x.bin").write_bytes(bin_file({}).replace(b"}(", b"](", 1))
    (folder / INDEX).unlink()
    write_index(folder / "x.bin.index.json", {"a": "x.bin"})
    with pytest.raises(FormatError):
        open_checkpoint(folder)


def test_an_index_is_known_by_its_name() -> None:
    assert is_index("a.safetensors.index.json")
    assert is_index("a.bin.index.json")
    assert not is_index("index.json")


def test_index_text_is_json(folder: Path) -> None:
    assert json.loads((folder / INDEX).read_text())["weight_map"]["a"] == A

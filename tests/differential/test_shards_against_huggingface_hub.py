"""Shards and index are those that huggingface_hub would have written, and it loads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
hub = pytest.importorskip("huggingface_hub")

import safetensors.torch  # noqa: E402 - after the skip
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

import converter  # noqa: E402
from converter.writing.shards import divide  # noqa: E402
from tests.support.command import depickle  # noqa: E402
from tests.support.live_bytes import live_described  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch

SIZE = "20KB"


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 40)
        self.body = nn.ModuleList(nn.Linear(40, 40) for _ in range(5))
        self.norm = nn.BatchNorm1d(40)
        self.head = nn.Linear(40, 200, bias=False)
        self.tail = nn.Linear(40, 50, bias=False)
        self.tail.weight = self.embed.weight


def folder_of(model: Any, tmp_path: Path) -> Path:  # noqa: ANN401 - a module
    source, target = tmp_path / "model.pt", tmp_path / "model"
    torch.save(model.state_dict(), source)
    outcome = depickle("convert", source, target, "--max-shard-size", SIZE)
    assert outcome.code == 0, outcome.err
    assert depickle("verify", source, target).code == 0
    assert depickle("verify", source, target, "--max-shard-size", SIZE).code == 0
    return target


def read_index(folder: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))


def test_index_and_files_are_the_hubs(tmp_path: Path) -> None:
    model = Tied()
    ours, theirs = folder_of(model, tmp_path), tmp_path / "theirs"
    theirs.mkdir()
    hub.save_torch_model(model, theirs, max_shard_size=SIZE)
    expected = read_index(theirs)
    assert len(set(expected["weight_map"].values())) > 3
    assert read_index(ours) == expected
    for path in theirs.glob("*.safetensors"):
        left, right = (safetensors.torch.load_file(f / path.name) for f in (theirs, ours))
        assert {k: live_described(v) for k, v in left.items()} == {
            k: live_described(v) for k, v in right.items()
        }
    ours_only = {path.name for path in ours.iterdir()} - {path.name for path in theirs.iterdir()}
    assert ours_only == {"checkpoint.depickle.json"}


def test_hub_loads_the_folder(tmp_path: Path) -> None:
    model = Tied()
    model.tail = None  # its loader of shards is strict about the names of tied weights
    folder = folder_of(model, tmp_path)
    fresh = Tied()
    fresh.tail = None
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.fill_(-1.0)
    result = hub.load_torch_model(fresh, folder)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    for name, tensor in model.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name


def test_folder_opens_as_what_it_was_with_and_without_its_document(tmp_path: Path) -> None:
    model = Tied()
    folder = folder_of(model, tmp_path)
    for _ in range(2):
        checkpoint = converter.open(folder)
        assert checkpoint.opened.anomalies == []
        found = checkpoint.state_dict("model")
        assert found.keys() == model.state_dict().keys()
        assert found["embed.weight"].data_ptr() == found["tail.weight"].data_ptr()
        for name, tensor in model.state_dict().items():
            assert torch.equal(found[name], tensor), name
        (folder / "checkpoint.depickle.json").unlink(missing_ok=True)


def test_model_of_a_bundle_loads_as_a_model(tmp_path: Path) -> None:
    model = Tied()
    bundle = {"model": model.state_dict(), "epoch": 3, "w": torch.ones(2)}
    torch.save(bundle, tmp_path / "run.pt")
    assert depickle("convert", tmp_path / "run.pt", tmp_path / "run").code == 0
    torch.save(model.state_dict(), tmp_path / "model.pt")
    assert depickle("convert", tmp_path / "model.pt", tmp_path / "model.safetensors").code == 0
    for path in (tmp_path / "run" / "model.safetensors", tmp_path / "model.safetensors"):
        fresh = Tied()
        with torch.no_grad():
            for parameter in fresh.parameters():
                parameter.fill_(-1.0)
        safetensors.torch.load_model(fresh, path, strict=True)
        assert hub.load_torch_model(Tied(), path, strict=False).unexpected_keys == []
        loaded = safetensors.torch.load_file(path)
        assert loaded.keys() == model.state_dict().keys() - {"tail.weight"}
        for name, tensor in model.state_dict().items():
            assert torch.equal(fresh.state_dict()[name], tensor), name


def test_folder_is_restored_with_and_without_its_document(tmp_path: Path) -> None:
    model = Tied()
    folder = folder_of(model, tmp_path)
    for number in range(2):
        back = tmp_path / f"{number}.pt"
        converter.restore(folder, back)
        found = torch.load(back, weights_only=True)
        assert found.keys() == model.state_dict().keys()
        for name, tensor in model.state_dict().items():
            assert torch.equal(found[name], tensor), name
        (folder / "checkpoint.depickle.json").unlink(missing_ok=True)


def test_metadata_that_says_more_is_not_dropped_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    state = {"w": torch.ones(2), "v": torch.ones(2)}
    for metadata in ({"format": "pt", "author": "x"}, {"w": "v"}, {"format": "tf"}, {"u": "w"}):
        safetensors.torch.save_file(state, path, metadata=metadata)
        outcome = depickle("restore", path, tmp_path / "back.pt")
        assert outcome.code == (0 if metadata == {"u": "w"} else 2), metadata
    found = torch.load(tmp_path / "back.pt", weights_only=True)
    assert found["u"].data_ptr() == found["w"].data_ptr()


def test_fingerprint_does_not_depend_on_shards(tmp_path: Path) -> None:
    folder = folder_of(Tied(), tmp_path)
    lines = [
        converter.inspect(path, fingerprint=True).fingerprints
        for path in (tmp_path / "model.pt", folder)
    ]
    assert lines[0] == lines[1]


@given(st.lists(st.integers(0, 12), min_size=1), st.integers(1, 12))
@settings(max_examples=200)
def test_division_is_the_hubs(sizes: list[int], most: int) -> None:
    from huggingface_hub import split_state_dict_into_shards_factory

    split = split_state_dict_into_shards_factory(
        {str(number): size for number, size in enumerate(sizes)},
        get_storage_size=lambda size: size,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=most,
    )
    ours = divide(list(enumerate(sizes)), lambda item: item[1], most)
    assert [[str(number) for number, _ in file] for file in ours] == list(
        split.filename_to_tensors.values()
    )


@pytest.mark.parametrize(
    ("size", "reason"),
    [("5 parsecs", "takes bytes"), ("", "takes bytes"), ("-1", "takes bytes"), ("0", "1 byte or")],
)
def test_size_that_is_none_is_refused(size: str, reason: str, tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt")
    outcome = depickle("convert", tmp_path / "w.pt", tmp_path / "w", "--max-shard-size", size)
    assert outcome.code == 2
    assert reason in outcome.err
    assert not (tmp_path / "w").exists()


def test_a_single_file_has_no_shards(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt")
    target = tmp_path / "w.safetensors"
    outcome = depickle("convert", tmp_path / "w.pt", target, "--max-shard-size", "1.5kb")
    assert outcome.code == 2
    assert "a folder" in outcome.err

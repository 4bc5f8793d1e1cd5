"""The samples of distributed checkpoints against the manifest of the torch that wrote them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import safetensors

import converter
from converter.errors import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.samples


def test_a_folder_is_as_the_manifest_says(samples: Path, tmp_path: Path) -> None:
    manifest: dict[str, Any] = json.loads((samples / "manifest.json").read_text())
    expected = manifest["files"]["dcp_single"]["tensors"]
    report = converter.convert(samples / "dcp_single", tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical
    assert report.tensors == len(expected)
    content = dict(safetensors.deserialize((tmp_path / "out.safetensors").read_bytes()))  # type: ignore[no-untyped-call]
    described = {line.name: line for line in converter.inspect(samples / "dcp_single").tensors}
    for path, truth in expected.items():
        dotted = path.replace("/", ".")
        name = dotted if dotted in described else f"extra.{dotted}"
        assert described[name].dtype == truth["dtype"]
        assert described[name].shape == truth["shape"]
        assert hashlib.sha256(content[name]["data"]).hexdigest() == truth["sha256"], path


def test_components_of_the_folder(samples: Path) -> None:
    report = converter.inspect(samples / "dcp_single")
    assert [(line.name, line.kind) for line in report.components] == [
        ("model", "model"),
        ("optim", "optimizer"),
        ("extra", "extra"),
    ]
    values = {line.path: line.text for line in report.values}
    assert values["epoch"] == "3"
    assert report.source.nbytes == sum(
        path.stat().st_size for path in (samples / "dcp_single").iterdir()
    )


@pytest.mark.parametrize(("rank", "rows"), [(0, 3), (1, 2)])
def test_rank_files_say_that_they_are_parts(rank: int, rows: int, samples: Path) -> None:
    report = converter.inspect(samples / "dtensor" / f"rank{rank}.pt")
    (text,) = (note.text for note in report.notes if note.code == "tensor_shards")
    shard = f"one shard of 2: global shape 5 x 3, local shape {rows} x 3 (Shard(0))"
    assert f"model: w: {shard}" in text
    assert f"model: param: {shard}" in text
    assert "model: rep: whole, replicated on each of 2" in text


def test_a_file_of_the_folder_alone_says_so(samples: Path) -> None:
    with pytest.raises(UnsupportedError, match="one file of a distributed checkpoint"):
        converter.open(samples / "dcp_single" / "__0_0.distcp")

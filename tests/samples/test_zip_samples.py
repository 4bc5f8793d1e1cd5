"""Every zip sample of torch.save against the manifest that the torch which wrote it left."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import safetensors

import converter
from converter.errors import ContainerError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.samples

DENSE = (
    "align4096",
    "aliasing",
    "checkpoint",
    "conj",
    "conj_complex32",
    "crc_off",
    "dtypes",
    "neg",
    "no_byteorder_flag",
    "proto0",
    "proto1",
    "proto2",
    "proto3",
    "proto4",
    "proto5",
    "repacked_deflate",
    "state_dict",
    "subclass",
    "with_state",
)

COMPOSITES = {
    "sparse": {
        "coo": "sparse_coo",
        "coo_uncoalesced": "sparse_coo",
        "csr": "sparse_csr",
        "csc": "sparse_csc",
        "bsr": "sparse_bsr",
        "bsc": "sparse_bsc",
    },
    "quantized": dict.fromkeys(
        ("per_tensor", "per_channel", "qint32", "float_qparams", "quint4x2"), "quantized"
    ),
    "nested": {"strided": "nested"},
    "meta": {"meta": "meta", "meta_param": "meta"},
    "uninitialized": {"p": "uninitialized", "b": "uninitialized"},
}
"""File → names that torch keeps as several tensors or without data → how they are reported."""


@pytest.mark.parametrize("name", DENSE)
def test_tensors_are_as_the_manifest_says(name: str, samples: Path, tmp_path: Path) -> None:
    expected = manifest(samples)["files"][f"zip/{name}.pt"]["tensors"]
    source = samples / "zip" / f"{name}.pt"
    report = converter.convert(source, tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical
    content = raw_tensors(tmp_path / "out.safetensors")
    described = {line.name: line for line in converter.inspect(source).tensors}
    for path, truth in expected.items():
        found = full_name(path, described)
        line = described[found]
        assert line.dtype == truth["dtype"], path
        assert line.shape == truth["shape"], path
        assert (line.stride or contiguous(line.shape)) == stride_of(truth), path
        data = content[report.aliases.get(found, found)]["data"]
        assert hashlib.sha256(data).hexdigest() == truth["sha256"], path


@pytest.mark.parametrize("name", COMPOSITES)
def test_other_tensors_are_reported_and_their_parts_written(
    name: str, samples: Path, tmp_path: Path
) -> None:
    source = samples / "zip" / f"{name}.pt"
    picture = converter.inspect(source)
    kinds = {line.name: line.kind for line in picture.composites}
    assert kinds == COMPOSITES[name]
    report = converter.convert(source, tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical
    assert report.tensors == len(picture.tensors)


def test_aborted_save_says_so(samples: Path) -> None:
    with pytest.raises(ContainerError, match=r"aborted torch\.save"):
        converter.open(samples / "zip" / "aborted_save.pt")


def raw_tensors(path: Path) -> dict[str, Any]:
    """Return name → description and bytes, as the safetensors library reads them."""
    return dict(safetensors.deserialize(path.read_bytes()))  # type: ignore[no-untyped-call]


def manifest(samples: Path) -> dict[str, Any]:
    """Return the manifest the samples came with."""
    loaded: dict[str, Any] = json.loads((samples / "manifest.json").read_text())
    return loaded


def full_name(path: str, described: dict[str, Any]) -> str:
    """Return our name for a path of the manifest (``optimizer/state/0/step``)."""
    dotted = path.replace("/", ".")
    return next(
        name for name in (dotted, f"extra.{dotted}", f"model.{dotted}") if name in described
    )


def contiguous(shape: list[int]) -> list[int]:
    """Return the strides torch gives a dense tensor of this shape."""
    steps: list[int] = []
    step = 1
    for size in reversed(shape):
        steps.append(step)
        step *= max(size, 1)
    return steps[::-1]


def stride_of(truth: dict[str, Any]) -> list[int]:
    """Return the manifest's strides, those of sizes 0 and 1 as a dense tensor has them."""
    if 0 in truth["shape"]:
        return contiguous(truth["shape"])
    dense = contiguous(truth["shape"])
    pairs = zip(truth["shape"], truth["stride"], dense, strict=True)
    steps = [usual if size == 1 else step for size, step, usual in pairs]
    return dense if steps == dense else list(truth["stride"])

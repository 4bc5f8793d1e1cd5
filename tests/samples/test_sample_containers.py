"""Samples in every container but torch's usual zip, against what their manifests say."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import InertValue, MappingValue, Value
from converter.readers.opening import open_checkpoint
from tests.support.logical_bytes import logical_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from converter.checkpoint.canonical import Checkpoint

pytestmark = pytest.mark.samples

LISTED = [
    *(f"pickle/proto{number}.pkl" for number in range(6)),
    "pickle/cloudpickle.pkl",
    "legacy/aliasing.pt",
    "legacy/proto2.pt",
    "legacy/proto4.pt",
    *(f"zip/proto{number}.pt" for number in range(6)),
    "zip/repacked_deflate.pt",
    "zip/crc_off.pt",
    "zip/align4096.pt",
]
# The numbers of handmade/expected.json, as torch packs them.
HANDMADE: dict[str, dict[str, tuple[str, str, Sequence[int]]]] = {
    "tar_handmade.pt": {
        "w": ("float32", "<6f", [0, 1, 2, 3, 4, 5]),
        "wt": ("float32", "<6f", [0, 3, 1, 4, 2, 5]),
        "view": ("float32", "<2f", [3, 4]),
        "n": ("int64", "<2q", [7, -8]),
    },
    "legacy_view.pt": {
        "root": ("float32", "<6f", range(6)),
        "view": ("float32", "<3f", [2, 3, 4]),
        "view_off": ("float32", "<2f", [3, 4]),
        "v1": ("float32", "<6f", range(6)),
    },
    "zip_byteorder_big.pt": {
        "f": ("float32", "<3f", [1, 2, 3]),
        "i64": ("int64", "<2q", [1, -2]),
        "c": ("complex64", "<2f", [1, 2]),
        "u8": ("uint8", "2B", [1, 2]),
        # torch 2.13 itself forgets to swap this one.
        "u16": ("uint16", "<2H", [1, 258]),
    },
    "legacy_variable.pt": {"variable": ("float32", "<3f", [1, 2, 3])},
}


def opened(samples: Path, name: str) -> Checkpoint:
    checkpoint = open_checkpoint(samples / name)
    assert checkpoint.opened.error is None
    return checkpoint


@pytest.mark.parametrize("name", LISTED)
def test_tensors_equal_the_manifest(name: str, samples: Path) -> None:
    manifest: dict[str, Any] = json.loads((samples / "manifest.json").read_text())
    checkpoint = opened(samples, name)
    found = checkpoint.tensors()
    expected = manifest["files"][name]["tensors"]
    assert expected
    for path, truth in expected.items():
        tensor = found[path.replace("/", ".")]
        assert tensor.dtype.name == truth["dtype"], path
        assert list(tensor.shape) == truth["shape"], path
        assert list(tensor.stride) == truth["stride"], path
        assert tensor.offset == truth["storage_offset"], path
        assert tensor.storage.nbytes == truth["storage_nbytes"], path
        assert tensor.requires_grad == truth["requires_grad"], path
        assert hashlib.sha256(logical_bytes(tensor)).hexdigest() == truth["sha256"], path
    checkpoint.close()


@pytest.mark.parametrize("name", HANDMADE)
def test_tensors_of_handmade_files(name: str, samples: Path) -> None:
    checkpoint = opened(samples, f"handmade/{name}")
    found = checkpoint.tensors()
    for key, (dtype, layout, numbers) in HANDMADE[name].items():
        assert found[key].dtype.name == dtype, key
        assert logical_bytes(found[key]) == struct.pack(layout, *numbers), key
    checkpoint.close()


def test_old_forms_of_a_tensor(samples: Path) -> None:
    found = opened(samples, "handmade/legacy_old_forms.pt").tensors()
    assert len(found) == 4
    for name, tensor in found.items():
        assert logical_bytes(tensor) == struct.pack("<3f", 1, 2, 3), name
    assert found["param_newobj"].requires_grad


def test_legacy_data_is_little_endian_whatever_is_said(samples: Path) -> None:
    checkpoint = opened(samples, "handmade/legacy_sysinfo_big.pt")
    assert "legacy_big_endian_host" in {note.code for note in checkpoint.opened.notes}
    for tensor in checkpoint.tensors().values():
        assert tensor.storage.data is not None
        # torch gives these bytes as they stand in the file.
        assert logical_bytes(tensor) == tensor.storage.data.read_at(0, tensor.nbytes)


def test_rest_of_the_tar_sample(samples: Path) -> None:
    checkpoint = opened(samples, "handmade/tar_handmade.pt")
    root = mapping(checkpoint.opened.root)
    assert root.find("epoch") == 5
    storage, tensor = root.find("storage"), root.find("n")
    assert isinstance(storage, Storage)
    assert isinstance(tensor, TensorRef)
    assert tensor.storage is storage
    shared = [root.find(key) for key in ("w", "wt")]
    assert all(isinstance(item, TensorRef) for item in shared)


def test_module_of_the_tar_sample(samples: Path) -> None:
    root = opened(samples, "handmade/tar_handmade_module.pt").opened.root
    assert isinstance(root, InertValue)
    assert root.class_name == "torch.nn.modules.linear.Linear"
    assert root.attribute("in_features") == 3


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("detectron2_style.pkl", {"model.conv1.weight": ("float32", (1, 1, 2, 2))}),
        ("module_proto2.pkl", {"weight": ("float32", (2, 2)), "bias": ("float32", (2,))}),
        ("joblib.joblib", {"t": ("float32", (4,)), "np": ("float64", (3,))}),
        ("joblib_zlib.joblib", {"t": ("float32", (4,)), "v": ("float32", (3,))}),
    ],
)
def test_pickles_without_a_manifest(
    name: str, shapes: dict[str, tuple[str, tuple[int, ...]]], samples: Path
) -> None:
    checkpoint = opened(samples, f"pickle/{name}")
    found = checkpoint.tensors()
    assert {key: (tensor.dtype.name, tensor.shape) for key, tensor in found.items()} == shapes
    for tensor in found.values():
        assert len(logical_bytes(tensor)) == tensor.nbytes
    checkpoint.close()


def test_arrays_of_detectron2_and_joblib(samples: Path) -> None:
    found = opened(samples, "pickle/detectron2_style.pkl").tensors()
    assert logical_bytes(found["model.conv1.weight"]) == struct.pack("<4f", 0, 1, 2, 3)
    first = opened(samples, "pickle/joblib.joblib").tensors()["t"]
    second = opened(samples, "pickle/joblib_zlib.joblib").tensors()["t"]
    assert logical_bytes(first) == logical_bytes(second) == struct.pack("<4f", 0, 1, 2, 3)


def test_protocol_0_is_noted(samples: Path) -> None:
    notes = opened(samples, "zip/proto0.pt").opened.notes
    assert "protocol_0" in {note.code for note in notes}


def mapping(value: Value) -> MappingValue:
    """Return a value that must be a mapping."""
    assert isinstance(value, MappingValue)
    return value

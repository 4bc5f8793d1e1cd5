"""Checkpoints in every container: old ones by hand, the others by whoever writes them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import safetensors.torch
import torch

from corpus.live_values import filled_module, made, save_legacy
from corpus.recipe import Recipe
from tests.support.distributed_folders import AnonymousWriter
from tests.support.pickles import text
from tests.support.small_files import NUMBERS, joblib_file, tar_file
from tests.support.small_files import pickle_file as pickled_tensor
from tests.support.zip_builder import Member, ZipBuilder

if TYPE_CHECKING:
    from corpus.recipe import Contents, Write

_W: Final = np.frombuffer(NUMBERS, "<f4")


def legacy_state_dict(path: Path) -> Contents:
    """Write a state_dict in the form of before torch 1.6."""
    tensors = filled_module(torch.nn.Linear(3, 2)).state_dict()
    save_legacy(tensors, path)
    return {"model": tensors}


def legacy_module(path: Path) -> Contents:
    """Write a whole module in the form of before torch 1.6."""
    model = filled_module(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
    save_legacy(model, path)
    return {"model": model.state_dict()}


def legacy_protocol_4(path: Path) -> Contents:
    """Write that form with a pickle protocol that has frames."""
    tensors = {"a": made(3), "b": made(2, 2, number=4)}
    save_legacy(tensors, path, protocol=4)
    return {"model": tensors}


def tar_layout(path: Path) -> Contents:
    """Write a tar archive as torch did before 0.1.10."""
    path.write_bytes(tar_file())
    return {"model": {"w": _W}}


def torch_1_4_zip(path: Path) -> Contents:
    """Write the zip archive that torch 1.4 made on request: five-part ids, no byte order."""
    pid = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("94319575160016")
    pid += text("cpu") + b"K\x04tQ"
    rest = b"K\x00K\x04\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + rest
    members = [
        Member("model/version", b"1\n"),
        Member("model/data.pkl", b"\x80\x02}" + text("w") + tensor + b"s."),
        Member("model/tensors/94319575160016", NUMBERS),
    ]
    path.write_bytes(ZipBuilder(members).build())
    return {"model": {"w": _W}}


def big_endian_zip(path: Path) -> Contents:
    """Write what torch.save writes on a big-endian host: a mark, and swapped elements."""
    tensors = {"w": made(4), "n": torch.tensor([1, 258]), "c": torch.tensor([1 + 2j])}
    records = _records(tensors)
    records["byteorder"] = b"big"
    for number, width in enumerate((4, 8, 4)):
        key = f"data/{number}"
        elements = np.frombuffer(records[key], f"<u{width}")
        records[key] = elements.astype(f">u{width}").tobytes()
    write_zip(path, records)
    return {"model": tensors}


def repacked_zip(path: Path) -> Contents:
    """Write a checkpoint that somebody unpacked and packed again, with compression."""
    tensors = {"w": made(16, 16), "zeros": torch.zeros(64)}
    write_zip(path, _records(tensors), compressed=True)
    return {"model": tensors}


def pickle_protocol(number: int) -> Write:
    """Return the writer of a plain pickle of numpy arrays, of one protocol."""

    def numpy_pickle(path: Path) -> Contents:
        arrays = {"w": np.arange(6, dtype="<f4").reshape(2, 3), "n": np.array([1, -2], "<i8")}
        path.write_bytes(pickle.dumps(arrays, number))
        return {"model": arrays}

    return numpy_pickle


def pickle_of_torch(path: Path) -> Contents:
    """Write a tensor as pickle.dump does: a whole torch.save file in its bytes."""
    path.write_bytes(pickled_tensor())
    return {"model": {"w": _W}}


def joblib_dump(path: Path) -> Contents:
    """Write what joblib.dump does: the array's bytes between the opcodes."""
    path.write_bytes(joblib_file())
    return {"model": {"w": _W}}


def npy(path: Path) -> Contents:
    """Write one array, in column order, big-endian."""
    array = np.arange(6, dtype=">f8").reshape(2, 3, order="F")
    np.save(path, array)
    return {"tensor": {"tensor": array}}


def npz(path: Path) -> Contents:
    """Write two arrays."""
    arrays = {"w": np.arange(4, dtype="<f2"), "b": np.array([True, False])}
    np.savez(path, w=arrays["w"], b=arrays["b"])
    return {"model": arrays}


def plain_safetensors(path: Path) -> Contents:
    """Write a safetensors file with the library itself."""
    tensors = {"a.weight": made(2, 3), "a.bias": made(3, number=4, dtype=torch.bfloat16)}
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    return {"model": tensors}


def gzipped(path: Path) -> Contents:
    """Write a legacy file that somebody compressed."""
    tensors = {"w": made(4)}
    plain = path.with_name("plain")
    save_legacy(tensors, plain)
    path.write_bytes(gzip.compress(plain.read_bytes(), 9, mtime=0))
    plain.unlink()
    return {"model": tensors}


def torchscript(path: Path) -> Contents:
    """Write a scripted module, without the records that depend on where torch is installed.

    It has one constant: of several the order would be another in every process.
    """
    model = filled_module(torch.nn.Sequential(torch.nn.PReLU(3), torch.nn.Tanh()))
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(model), buffer)
    records = unpacked(buffer.getvalue())
    left_out = (".debug_pkl", "serialization_id")
    kept = {name: data for name, data in records.items() if not name.endswith(left_out)}
    write_zip(path, kept)
    return {"model": model.state_dict()}


def hf_shards(path: Path) -> Contents:
    """Write a model in two safetensors files and an index, as huggingface_hub names them."""
    path.mkdir()
    tensors = filled_module(torch.nn.Linear(3, 2)).state_dict()
    weight_map = {}
    for number, (name, tensor) in enumerate(tensors.items(), 1):
        weight_map[name] = f"model-{number:05}-of-00002.safetensors"
        safetensors.torch.save_file({name: tensor}, path / weight_map[name], {"format": "pt"})
    index = {"metadata": {"total_size": 32}, "weight_map": weight_map}
    text = json.dumps(index, indent=2)
    (path / "model.safetensors.index.json").write_text(text + "\n", encoding="utf-8")
    return {"model": tensors}


def missing_shard(path: Path) -> None:
    """Write a model in two files, and take the second away."""
    hf_shards(path)
    (path / "model-00002-of-00002.safetensors").unlink()


def distributed_checkpoint(path: Path) -> Contents:
    """Write a folder of torch.distributed.checkpoint, of one rank."""
    from torch.distributed import checkpoint

    tensors = {"model.weight": made(3, 4), "model.bias": made(4, number=9)}
    checkpoint.save(dict(tensors), storage_writer=AnonymousWriter(path), no_dist=True)
    return {"model": tensors}


def _records(value: object) -> dict[str, bytes]:
    """Return the records of a torch.save file."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return unpacked(buffer.getvalue())


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the records of an archive, without the root of their names."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write_zip(
    path: Path | io.BytesIO, records: dict[str, bytes], *, compressed: bool = False
) -> None:
    """Write records below ``archive/``, as any zip program would, all of the same date."""
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in records.items():
            entry = zipfile.ZipInfo(f"archive/{name}")
            archive.writestr(entry, content, method)


CONTAINERS: Final[dict[str, Recipe]] = {
    "legacy/state_dict.pt": Recipe(
        write=legacy_state_dict,
        shows="A state_dict as torch wrote it before 1.6.",
        verdict="safe",
        container="legacy",
        style="state_dict",
    ),
    "legacy/module.pt": Recipe(
        write=legacy_module,
        shows="A whole module as torch wrote it before 1.6.",
        verdict="safe",
        container="legacy",
        style="module",
    ),
    "legacy/protocol_4.pt": Recipe(
        write=legacy_protocol_4,
        shows="The form of before 1.6 with pickle protocol 4.",
        verdict="safe",
        container="legacy",
        style="state_dict",
    ),
    "tar/layout.pt": Recipe(
        write=tar_layout,
        shows="A tar archive as torch wrote it before 0.1.10, byte by byte.",
        verdict="safe",
        container="tar",
        style="state_dict",
    ),
    "zip/torch_1_4.pt": Recipe(
        write=torch_1_4_zip,
        shows="The zip archive of torch 1.4, which torch itself no longer reads.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "zip/big_endian.pt": Recipe(
        write=big_endian_zip,
        shows="A checkpoint saved on a big-endian host.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "zip/repacked.pt": Recipe(
        write=repacked_zip,
        shows="A checkpoint packed again, with compression.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    **{
        f"pickle/protocol_{number}.pkl": Recipe(
            write=pickle_protocol(number),
            shows=f"Numpy arrays in a plain pickle of protocol {number}.",
            verdict="safe",
            container="pickle",
            style="state_dict",
        )
        for number in range(6)
    },
    "pickle/torch_tensor.pkl": Recipe(
        write=pickle_of_torch,
        shows="A tensor in a plain pickle: a torch.save file inside its bytes.",
        verdict="safe",
        container="pickle",
        style="state_dict",
    ),
    "pickle/dump.joblib": Recipe(
        write=joblib_dump,
        shows="An array as joblib.dump writes it.",
        verdict="safe",
        container="pickle",
        style="state_dict",
    ),
    "numpy/fortran_big_endian.npy": Recipe(
        write=npy,
        shows="One array in column order, big-endian.",
        verdict="safe",
        container="npy",
        style="tensor",
    ),
    "numpy/two_arrays.npz": Recipe(
        write=npz,
        shows="Two arrays.",
        verdict="safe",
        container="npz",
        style="state_dict",
    ),
    "safetensors/plain.safetensors": Recipe(
        write=plain_safetensors,
        shows="A safetensors file of the library itself.",
        verdict="safe",
        container="safetensors",
        style="state_dict",
    ),
    "compressed/legacy.pt.gz": Recipe(
        write=gzipped,
        shows="A checkpoint that somebody compressed as a whole.",
        verdict="safe",
        container="legacy",
        style="state_dict",
    ),
    "torchscript/scripted.pt": Recipe(
        write=torchscript,
        shows="A scripted module.",
        verdict="safe",
        container="zip",
        style="state_dict",
    ),
    "folders/hf_shards": Recipe(
        write=hf_shards,
        shows="A model in two safetensors files with an index.",
        verdict="safe",
        container="model",
        style="state_dict",
    ),
    "folders/missing_shard": Recipe(
        write=missing_shard,
        shows="A model in two files with an index, the second of which was not copied.",
        verdict="safe",
        message=(
            "files of the checkpoint are missing: @@FILE@@: expected 2 files that "
            "model.safetensors.index.json names, found 1 missing: model-00002-of-00002.safetensors"
        ),
    ),
    "folders/distributed": Recipe(
        write=distributed_checkpoint,
        shows="A folder of torch.distributed.checkpoint.",
        verdict="safe",
        container="dcp",
        style="state_dict",
    ),
}
"""Path below the corpus → its recipe."""

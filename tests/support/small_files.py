"""One small file of every kind that is read: each holds ``w``, the float32 numbers 0 to 3."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
from typing import TYPE_CHECKING, Final

import numpy as np

from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NUMBERS: Final = struct.pack("<4f", 0, 1, 2, 3)
_MAGIC: Final = 0x1950A86A20F9469CFC6C
OBJECT: Final = b"\x80\x02}(" + text("w") + tensor_opcodes("0", 4) + b"u."


def zip_file() -> bytes:
    """Return a zip archive as torch.save writes it."""
    return torch_zip(OBJECT, {"0": NUMBERS})


def legacy_file(elements: bytes = NUMBERS) -> bytes:
    """Return a legacy stream whose one storage holds `elements`, of four that are promised."""
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    preamble = b"".join(pickle.dumps(value, 2) for value in (_MAGIC, 1001, facts))
    keys = pickle.dumps(["0"], 2)
    return preamble + OBJECT + keys + struct.pack("<q", len(elements) // 4) + elements


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """Return a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def tar_members() -> dict[str, bytes]:
    """Return the members of the oldest layout: tensor 1 over storage 7, as ``w``."""
    storage = b"\x80\x02K\x07" + text("cpu") + b"ctorch\nFloatStorage\n\x87."
    tensor = b"\x80\x02K\x01K\x07ctorch\nFloatTensor\n\x87."
    # The four bytes behind the number of dimensions are whatever lay there.
    layout = struct.pack("<i", 1) + b"junk" + struct.pack("<3q", 4, 1, 0)
    return {
        "sys_info": pickle.dumps({"protocol_version": 1000}, 2),
        "pickle": b"\x80\x02}" + text("w") + text("1") + b"Qs.",
        "tensors": pickle.dumps(1, 2) + tensor + layout,
        "storages": (
            pickle.dumps(1, 2) + storage + struct.pack("<q", 4) + NUMBERS + pickle.dumps([], 2)
        ),
    }


def tar_file() -> bytes:
    """Return a checkpoint of torch before 0.1.10."""
    return tar_of(tar_members())


def blob_opcodes() -> bytes:
    """Return the opcodes of a tensor as ``pickle.dump`` writes it: a legacy stream in its bytes."""
    pid = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    pid += b"K\x04NtQ."
    blob = legacy_file().replace(OBJECT, b"\x80\x02" + pid)
    operand = b"B" + struct.pack("<I", len(blob)) + blob
    storage = b"ctorch.storage\n_load_from_bytes\n" + operand + b"\x85R"
    rest = b"K\x00K\x04\x85K\x01\x85\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"


def pickle_file() -> bytes:
    """Return a plain pickle with a torch tensor."""
    return b"\x80\x03}" + text("w") + blob_opcodes() + b"s."


def numpy_pickle_file(protocol: int = 4) -> bytes:
    """Return a plain pickle with a numpy array."""
    return pickle.dumps({"w": np.frombuffer(NUMBERS, "<f4").copy()}, protocol)


def joblib_array(
    *, padding: int | None = 3, order: str = "C", shape: bytes = b"K\x04\x85", code: str = "f4"
) -> bytes:
    """Return the opcodes of an array of joblib's and the raw bytes behind them."""
    dtype = b"cnumpy\ndtype\n" + text(code) + b"\x89\x88\x87R(K\x03" + text("<")
    dtype += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    facts = text("subclass") + b"cnumpy\nndarray\n" + text("shape") + shape
    facts += text("order") + text(order) + text("dtype") + dtype
    raw = NUMBERS
    if padding is not None:
        facts += text("numpy_array_alignment_bytes") + b"K\x10"
        raw = bytes([padding]) + b"\xff" * padding + NUMBERS
    return b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + facts + b"ub" + raw


def joblib_file() -> bytes:
    """Return a file of ``joblib.dump``."""
    return b"\x80\x03}" + text("w") + joblib_array() + b"s."


def npy_file() -> bytes:
    """Return a file of ``numpy.save``; its array has no name."""
    stream = io.BytesIO()
    np.save(stream, np.frombuffer(NUMBERS, "<f4"))
    return stream.getvalue()


def npz_file() -> bytes:
    """Return a file of ``numpy.savez``."""
    stream = io.BytesIO()
    np.savez(stream, w=np.frombuffer(NUMBERS, "<f4"))
    return stream.getvalue()


def safetensors_of(header: object, elements: bytes = NUMBERS) -> bytes:
    """Return a safetensors file with any header: an object, or its text."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + elements


def safetensors_file() -> bytes:
    """Return a safetensors file."""
    return safetensors_of({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}})


def gzip_file() -> bytes:
    """Return a compressed checkpoint."""
    return gzip.compress(zip_file(), mtime=0)


SMALL_FILES: Final[Mapping[str, Callable[[], bytes]]] = {
    "zip": zip_file,
    "legacy": legacy_file,
    "tar": tar_file,
    "pickle": pickle_file,
    "numpy_pickle": numpy_pickle_file,
    "joblib": joblib_file,
    "npy": npy_file,
    "npz": npz_file,
    "safetensors": safetensors_file,
    "gzip": gzip_file,
}
"""Kind → what makes one."""

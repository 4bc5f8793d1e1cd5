"""Writes the files that folders of checkpoints hold, without torch."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def safetensors_file(tensors: Mapping[str, list[float]]) -> bytes:
    """Return a safetensors file of float32 vectors."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, numbers in tensors.items():
        start = len(data)
        data += struct.pack(f"<{len(numbers)}f", *numbers)
        offsets = [start, len(data)]
        header[name] = {"dtype": "F32", "shape": [len(numbers)], "data_offsets": offsets}
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw + data


def bin_file(tensors: Mapping[str, list[float]]) -> bytes:
    """Return a dict of float32 vectors as torch.save writes it."""
    opcodes = b"\x80\x02}("
    storages = {}
    for number, (name, numbers) in enumerate(tensors.items()):
        opcodes += text(name) + tensor_opcodes(str(number), len(numbers))
        storages[str(number)] = struct.pack(f"<{len(numbers)}f", *numbers)
    return torch_zip(opcodes + b"u.", storages)


def value_file(opcodes: bytes) -> bytes:
    """Return one value without tensors as torch.save writes it."""
    return torch_zip(b"\x80\x02" + opcodes + b".", {})


def write_index(path: Path, weight_map: object, **metadata: object) -> None:
    """Write an index of shards."""
    path.write_text(json.dumps({"metadata": metadata, "weight_map": weight_map}))

"""Values to put into checkpoints, and a writer of torch's older form that repeats itself."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any, Final

import torch

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_SIZES: Final = {"short": 2, "int": 4, "long": 4}


def filled(tensor: torch.Tensor, number: int) -> torch.Tensor:
    """Fill a tensor with values that are exact in every float type that holds them."""
    count = torch.arange(tensor.numel(), dtype=torch.float64)
    values = (count * 7 + number) % 251 / 256 - 0.5
    if not tensor.is_floating_point():
        values = torch.full_like(count, 3)
    return tensor.copy_(values.reshape(tensor.shape))


def made(*shape: int, number: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a tensor of that shape with such values."""
    return filled(torch.empty(shape, dtype=dtype), number)


def filled_module(module: torch.nn.Module) -> torch.nn.Module:
    """Give every parameter and buffer of a module such values."""
    with torch.no_grad():
        for number, tensor in enumerate(module.state_dict().values()):
            filled(tensor, number)
    return module


def save_legacy(value: object, path: Path, *, protocol: int = 2) -> None:
    """Write what torch.save wrote before 1.6, with numbers where it puts memory addresses."""
    storages: dict[int, Any] = {}
    keys: dict[int, str] = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> tuple[object, ...] | None:
            if not isinstance(obj, torch.storage.TypedStorage):
                return None
            address = obj._cdata  # noqa: SLF001 - what torch itself names a storage by
            key = keys.setdefault(address, str(len(keys)))
            storages[int(key)] = obj
            kind = getattr(torch, obj._pickle_storage_type())  # noqa: SLF001 - as torch does
            return ("storage", kind, key, "cpu", obj._size(), None)  # noqa: SLF001 - as torch does

    facts = {"protocol_version": _PROTOCOL, "little_endian": True, "type_sizes": _SIZES}
    with path.open("wb") as stream:
        for preamble in (_MAGIC, _PROTOCOL, facts):
            pickle.dump(preamble, stream, protocol)
        Pickler(stream, protocol).dump(value)
        pickle.dump([str(number) for number in storages], stream, protocol)
        for storage in storages.values():
            stream.write(struct.pack("<q", storage._size()))  # noqa: SLF001 - as torch does
            stream.write(bytes(storage._untyped_storage.tolist()))  # noqa: SLF001 - as torch does

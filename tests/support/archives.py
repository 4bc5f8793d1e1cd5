"""Archives in memory: writes zip files record by record, opens them with one reader."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from converter.byteio.source import MemorySource
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue, Value
from converter.containers.zip_archive import read_zip
from converter.limits import DEFAULT_LIMITS, Limits
from converter.readers.styles import canonical
from converter.readers.torch_legacy import blob_opener
from converter.writing.gather import TensorBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converter.checkpoint.canonical import Checkpoint, Opened

    Reader = Callable[..., Opened]

Described = dict[str, tuple[str, tuple[int, ...], bytes]]


def zipped(records: Mapping[str, bytes | str], *, root: str = "r/") -> bytes:
    """Return a zip archive of these records below `root`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in records.items():
            archive.writestr(root + name, content)
    return buffer.getvalue()


def records_of(data: bytes) -> dict[str, bytes]:
    """Return the records of an archive, without the root of their names."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def read_with(read: Reader, data: bytes, limits: Limits = DEFAULT_LIMITS) -> Opened:
    """Return what one reader finds in an archive."""
    source = MemorySource(data, "archive")
    return read(source, read_zip(source, limits), limits, blob_opener(limits))


def opened_with(read: Reader, data: bytes) -> Checkpoint:
    """Return the checkpoint that an archive without fault holds."""
    opened = read_with(read, data)
    assert opened.error is None, opened.error
    return canonical(opened, DEFAULT_LIMITS)


def content(tensor: TensorRef) -> bytes:
    """Return the bytes of a tensor in contiguous form."""
    return b"".join(bytes(chunk) for chunk in TensorBytes(tensor, DEFAULT_LIMITS))


def described(tensors: Mapping[str, TensorRef]) -> Described:
    """Return name → (dtype, shape, bytes), in order."""
    return {
        name: (tensor.dtype.name, tensor.shape, content(tensor)) for name, tensor in tensors.items()
    }


def live_described(tensors: Mapping[str, Any]) -> Described:
    """Return live tensors in the form of `described`."""
    return {name: _live(tensor) for name, tensor in tensors.items()}


def _live(tensor: Any) -> tuple[str, tuple[int, ...], bytes]:  # noqa: ANN401 - a torch.Tensor
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    raw = plain.flatten().view(torch.uint8) if plain.numel() else plain.new_empty(0)
    return str(tensor.dtype).removeprefix("torch."), tuple(plain.shape), raw.numpy().tobytes()


def found(root: Value, *path: str) -> Value:
    """Return the value below a path of text keys; attributes of a mapping stand under ``@``."""
    value = root
    for key in path:
        assert isinstance(value, MappingValue), f"{key} looked for in {value!r}"
        value = value.attributes if key == "@" else value.find(key)
    return value


def tensors_of(value: Value) -> dict[str, TensorRef]:
    """Return the tensors directly in a mapping by name."""
    assert isinstance(value, MappingValue)
    return {
        key: item
        for key, item in value.entries
        if isinstance(key, str) and isinstance(item, TensorRef)
    }

"""What the tests of the verifier are made of: tensors over bytes in memory, files by hand."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from converter.byteio.source import ByteSource, MemorySource
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.dtypes import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def storage_of(raw: bytes | ByteSource, *, big_endian: bool = False) -> Storage:
    source = MemorySource(raw, "storage") if isinstance(raw, bytes) else raw
    return Storage("0", source, source.nbytes, None, "cpu", big_endian=big_endian)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def tensor_of(  # noqa: PLR0913 - the fields of a tensor
    raw: bytes | Storage,
    dtype: str,
    shape: Sequence[int],
    stride: Sequence[int] | None = None,
    offset: int = 0,
    *,
    conj: bool = False,
    neg: bool = False,
) -> TensorRef:
    return TensorRef(
        storage_of(raw) if isinstance(raw, bytes) else raw,
        BY_NAME[dtype],
        tuple(shape),
        tuple(row_major(shape) if stride is None else stride),
        offset,
        conj=conj,
        neg=neg,
    )


def counting(nbytes: int, seed: int = 0) -> bytes:
    """Bytes that repeat late and look like nothing: 251 is prime."""
    return bytes((seed + 7 * i + i // 251) % 251 for i in range(nbytes))


def file_of(header: object, data: bytes = b"") -> bytes:
    """A safetensors file, right or wrong, from any JSON value or the header's own bytes."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def safetensors_of(
    tensors: Mapping[str, tuple[str, Sequence[int], bytes]],
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A sound safetensors file; each tensor is (dtype, shape, bytes)."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    position = 0
    for name, (dtype, shape, raw) in tensors.items():
        stop = position + len(raw)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, stop]}
        position = stop
    return file_of(header, b"".join(raw for _, _, raw in tensors.values()))


def source_of(raw: bytes) -> MemorySource:
    return MemorySource(raw, "out.safetensors")

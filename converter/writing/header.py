"""Safetensors headers, byte for byte as the reference implementation writes them.

The format (https://github.com/huggingface/safetensors#format): 8 bytes, the length N of the JSON
text as an unsigned little-endian integer; N bytes of JSON, padded at the end with spaces; the
tensors' bytes without gaps. The order of tensors is the writer's: widest type first, then name.
"""

from __future__ import annotations

import json
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final, Protocol

from converter.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from converter.limits import Limits

METADATA_KEY: Final = "__metadata__"

# `enum Dtype` of the reference (safetensors/src/tensor.rs, 0.8.0), in its order.
_ENUM: Final = (
    "BOOL",
    "F4",
    "F6_E2M3",
    "F6_E3M2",
    "U8",
    "I8",
    "F8_E5M2",
    "F8_E4M3",
    "F8_E8M0",
    "F8_E4M3FNUZ",
    "F8_E5M2FNUZ",
    "I16",
    "U16",
    "F16",
    "BF16",
    "I32",
    "U32",
    "F32",
    "C64",
    "F64",
    "I64",
    "U64",
)
_RANK: Final = {name: index for index, name in enumerate(_ENUM)}
_ALIGNMENT: Final = 8
# Spells strings and integers as serde_json does: no ASCII escapes, no blanks.
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class HeaderEntry(Protocol):
    """What a header says of one tensor; `start` and `stop` count from the data section."""

    @property
    def name(self) -> str:
        """Return the tensor's name."""

    @property
    def dtype(self) -> str:
        """Return the format's name of its type."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return its sizes."""

    @property
    def start(self) -> int:
        """Return where its bytes start, in the data section."""

    @property
    def stop(self) -> int:
        """Return where its bytes stop (half-open)."""


def sort_key(dtype: str, name: str) -> tuple[int, str]:
    """Return what orders tensors in a file: the reference's enum downwards, then the name.

    The reference compares UTF-8 bytes; code points, which Python compares, have the same order.
    """
    return (-_RANK[dtype], name)


def encode_header(
    entries: Iterable[HeaderEntry], metadata: Mapping[str, str], limits: Limits
) -> bytes:
    """Return length, JSON and padding for `entries` in the order given.

    Raises:
        LimitError: the JSON is longer than `Limits.max_header_bytes`.
    """
    parts = [_metadata_part(metadata)]
    parts += [
        f"{encode_basestring(entry.name)}:{_type_part(entry.dtype, entry.shape)}"
        f'"data_offsets":[{entry.start},{entry.stop}]}}'
        for entry in entries
    ]
    return _framed(("{" + ",".join(parts) + "}").encode("utf-8"), limits)


@lru_cache(maxsize=1024)  # many tensors have one of few shapes
def _type_part(dtype: str, shape: tuple[int, ...]) -> str:
    return f'{{"dtype":"{dtype}","shape":[{",".join(map(str, shape))}],'


def exchange_metadata(
    header: bytes, old: Mapping[str, str], new: Mapping[str, str], limits: Limits
) -> bytes:
    """Return a header of `encode_header` with other metadata; what it says of tensors is kept.

    Args:
        header: as `encode_header` made it.
        old: the metadata it was made with.
        new: the metadata to have instead.
        limits: caps the length.

    Raises:
        LimitError: the JSON is longer than `Limits.max_header_bytes`.
    """
    start = 8 + len("{") + len(_metadata_part(old).encode("utf-8"))
    return _framed(b"{" + _metadata_part(new).encode("utf-8") + header[start:].rstrip(b" "), limits)


def _metadata_part(metadata: Mapping[str, str]) -> str:
    return f"{_encode(METADATA_KEY)}:{_encode(dict(metadata))}"


def _framed(text: bytes, limits: Limits) -> bytes:
    """Return JSON with its length before it and its padding behind."""
    nbytes = -(-len(text) // _ALIGNMENT) * _ALIGNMENT
    if nbytes > limits.max_header_bytes:
        raise LimitError("max_header_bytes", allowed=limits.max_header_bytes, found=nbytes)
    return nbytes.to_bytes(8, "little") + text.ljust(nbytes, b" ")

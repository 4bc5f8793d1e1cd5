"""Opcodes with their operands, written by hand: nothing is pickled to make them."""

from __future__ import annotations

import struct
from typing import Final

TRIPWIRE: Final = ("depickle_tripwire", "sprung")
"""Module and name of what hostile samples would call: it exists nowhere, so nothing can happen."""

STOP: Final = b"."


def text(value: str) -> bytes:
    """Return BINUNICODE of a string."""
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str) -> bytes:
    """Return GLOBAL of a name."""
    return f"c{module}\n{attribute}\n".encode()


def payload() -> bytes:
    """Return the opcodes that push what would be called."""
    return name(*TRIPWIRE)


def tensor(key: str, numel: int, *, size: int | None = None, stride: int = 1) -> bytes:
    """Return the opcodes of a one-dimensional float32 tensor.

    Args:
        key: of its storage.
        numel: elements that its storage claims.
        size: elements that it claims itself; None for as many.
        stride: elements from one to the next.
    """
    pid = b"(" + text("storage") + name("torch", "FloatStorage") + text(key) + text("cpu")
    shape = integer(numel if size is None else size) + b"\x85"
    view = integer(0) + shape + integer(stride) + b"\x85\x89" + name("collections", "OrderedDict")
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + pid
        + integer(numel)
        + b"tQ"
        + (view + b")RtR")
    )


def integer(value: int) -> bytes:
    """Return LONG1 of an integer of at most 255 bytes."""
    raw = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw

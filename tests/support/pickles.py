"""Pickles written opcode by opcode, so that nothing is ever built to write them.

Hostile ones name `TRIPWIRE`: a function that would create a file. It is named, never called.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def text(value: str) -> bytes:
    """Return BINUNICODE of a string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def tripwire_pickle(marker: Path, *, around: bytes = b"") -> bytes:
    """Return a pickle whose REDUCE would create `marker`, beside a harmless dict.

    Args:
        marker: the file that ``os.mkdir`` would create.
        around: opcodes of one more value, put into the dict under ``w``.
    """
    call = b"cposix\nmkdir\n" + b"(" + text(str(marker)) + b"tR"
    items = text("payload") + call
    if around:
        items += text("w") + around
    return b"\x80\x02}(" + items + b"u."


def would_call(pickle: bytes, module: str, name: str) -> bool:
    """Return whether pickletools sees the name looked up and a REDUCE after it."""
    named = False
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name == "GLOBAL" and argument == f"{module} {name}":
            named = True
        elif opcode.name == "REDUCE" and named:
            return True
    return False


def tensor_opcodes(key: str, numel: int) -> bytes:
    """Return the opcodes of a one-dimensional float32 tensor over a whole storage."""
    pid = (
        b"("
        + text("storage")
        + b"ctorch\nFloatStorage\n"
        + text(key)
        + text("cpu")
        + b"J"
        + struct.pack("<i", numel)
        + b"tQ"
    )
    size = b"J" + struct.pack("<i", numel) + b"\x85"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + pid
        + b"K\x00"
        + size
        + b"K\x01\x85"
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def torch_zip(
    pickle: bytes,
    storages: dict[str, bytes],
    *,
    root: str = "archive",
    extra: dict[str, bytes] | None = None,
) -> bytes:
    """Return a zip archive laid out as torch.save does, around a given pickle.

    Args:
        pickle: what it holds as ``data.pkl``.
        storages: storage key → numbers.
        root: its folder.
        extra: more records, by their names in that folder.
    """
    records = {
        "data.pkl": pickle,
        "byteorder": b"little",
        **{f"data/{key}": data for key, data in storages.items()},
        **(extra or {}),
        "version": b"3\n",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records.items():
            # ZipInfo by itself has the same date every time.
            archive.writestr(zipfile.ZipInfo(f"{root}/{name}"), content)
    return buffer.getvalue()

"""The bytes of storages in memory, each storage once: mapped where its file allows, else read.

A map is private: what is written to it never reaches the file.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Final, TypeAlias

from converter.errors import TensorError

if TYPE_CHECKING:
    import numpy as np

    from converter.byteio.source import Extent
    from converter.checkpoint.storage import Storage

    Buffer: TypeAlias = "mmap.mmap | np.ndarray[tuple[int], np.dtype[np.uint8]]"

# Elements are read as they lie, so they must lie where their type may: complex128 is the widest.
_ALIGNMENT: Final = 16
_CHUNK_NBYTES: Final = 1 << 26


class StorageMemory:
    """Hands out storages as writable buffers; two tensors of one storage share its memory."""

    def __init__(self) -> None:
        """Begin with nothing in memory."""
        self._maps: Final[dict[int, mmap.mmap | None]] = {}
        self._buffers: Final[dict[tuple[int, int], tuple[Storage, Buffer, int]]] = {}

    def buffer_of(self, storage: Storage, swap: int) -> tuple[Buffer, int]:
        """Return a buffer and where in it the storage starts, in bytes.

        Args:
            storage: what is wanted; its bytes come out little-endian.
            swap: bytes of the unit that a change of byte order reverses.

        Raises:
            TensorError: there are no bytes, or fewer than there should be.
            SourceError: they cannot be read.
        """
        unit = swap if storage.big_endian else 1
        known = self._buffers.get((id(storage), unit))
        if known is None:
            known = (storage, *self._load(storage, unit))
            self._buffers[id(storage), unit] = known
        return known[1:]

    def _load(self, storage: Storage, unit: int) -> tuple[Buffer, int]:
        data = storage.data
        if data is None:
            found = "left out when the checkpoint was converted" if storage.left_out else "none"
            raise TensorError(
                "tensor without bytes",
                record=f"storage {storage.key}",
                expected=f"{storage.nbytes} bytes",
                found=found,
            )
        if data.nbytes < storage.nbytes:
            raise TensorError(
                "storage shorter than it says",
                record=f"storage {storage.key}",
                expected=f"{storage.nbytes} bytes",
                found=str(data.nbytes),
            )
        extent = data.extent()
        if extent is not None and storage.nbytes and unit == 1 and not extent.offset % _ALIGNMENT:
            whole = self._map(extent)
            if whole is not None and extent.offset + storage.nbytes <= len(whole):
                return whole, extent.offset
        return _read(storage, unit), 0

    def _map(self, extent: Extent) -> mmap.mmap | None:
        """Return the file of an extent as a private map, or None where it cannot be mapped."""
        if extent.descriptor not in self._maps:
            try:
                found = mmap.mmap(extent.descriptor, 0, access=mmap.ACCESS_COPY)
            except (OSError, ValueError):
                found = None
            self._maps[extent.descriptor] = found
        return self._maps[extent.descriptor]


def _read(storage: Storage, unit: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    import numpy as np

    assert storage.data is not None  # noqa: S101 - `_load` has looked
    content = np.empty(storage.nbytes, dtype=np.uint8)
    view = memoryview(content.data)
    for start in range(0, storage.nbytes, _CHUNK_NBYTES):
        storage.data.read_into(start, view[start : start + _CHUNK_NBYTES])
    if unit > 1:
        units = content[: storage.nbytes // unit * unit].view(f"<u{unit}")
        units.byteswap(inplace=True)
    return content

"""Storages that are records of a zip archive, in whatever folder the kind of archive has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.byteio.source import WindowSource
from converter.checkpoint.canonical import Note
from converter.checkpoint.storage import Storage
from converter.errors import ContainerError, TensorError
from converter.readers.persistent_storages import PersistentStorages, StorageClaim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.checkpoint.canonical import Opened
    from converter.containers.records import Archive, Record
    from converter.dtypes import DType
    from converter.limits import Limits
    from converter.readers.rebuild.rebuilder import Rebuilder

_LONGEST_BYTE_ORDER_NBYTES: Final = 32


class RecordStorages(PersistentStorages):
    """Storages of an archive, each a record that one of a few prefixes and its key name."""

    def __init__(self, archive: Archive, prefixes: tuple[str, ...], *, big_endian: bool) -> None:
        """Look storages up in `archive`: each of `prefixes` (``R/data/``) in turn, then the key."""
        super().__init__()
        self._archive: Final = archive
        self._prefixes: Final = prefixes
        self._big_endian: Final = big_endian
        self.used: set[str] = set()

    def find(self, claim: StorageClaim, rebuilder: Rebuilder) -> Storage:
        """Return the record of a storage, which must be as long as the id says.

        Raises:
            TensorError: there is no such record, or it is too short.
        """
        record = self._record(claim.key)
        if record is None:
            if claim.location == "meta":
                return Storage(claim.key, None, claim.nbytes, claim.dtype, "meta")
            raise TensorError(
                "storage without a record",
                expected=f"a record {self._prefixes[0]}{claim.key}",
                found="none",
            )
        if record.nbytes > claim.nbytes:
            rebuilder.observe(
                "record_longer_than_storage",
                f"{record.name} holds {record.nbytes} bytes where {claim.nbytes} are declared",
                record.offset,
            )
        self.used.add(record.name)
        return storage_of_record(
            record, claim.key, claim.nbytes, claim.dtype, self._big_endian, claim.location
        )

    def _record(self, key: str) -> Record | None:
        for prefix in self._prefixes:
            record = self._archive.find_folded(prefix + key)
            if record is not None:
                return record
        return None


def storage_of_record(
    record: Record,
    key: str,
    nbytes: int,
    dtype: DType | None,
    big_endian: bool,  # noqa: FBT001 - the archive's byte order, passed on
    location: str = "cpu",
) -> Storage:
    """Return the first `nbytes` bytes of a record as a storage.

    Raises:
        TensorError: the record is shorter.
    """
    if record.nbytes < nbytes:
        raise TensorError(
            "record shorter than its storage",
            record=record.name,
            expected=f"{nbytes} bytes",
            found=str(record.nbytes),
        )
    data = record.data
    if record.nbytes > nbytes:
        data = WindowSource(data, 0, nbytes, data.name)
    return Storage(key, data, nbytes, dtype, location, big_endian)


def is_big_endian(archive: Archive, root: str, limits: Limits) -> bool:
    """Return what ``root/byteorder`` says; little-endian where it is missing (before torch 2.1).

    Raises:
        ContainerError: it says neither ``little`` nor ``big``.
    """
    record = archive.find_folded(f"{root}/byteorder")
    if record is None:
        return False
    nbytes = min(record.nbytes, _LONGEST_BYTE_ORDER_NBYTES, limits.max_small_record_bytes)
    text = record.data.read_at(0, nbytes)
    if text not in (b"little", b"big"):
        raise ContainerError(
            "byte order of an unknown name",
            record=record.name,
            expected="little or big",
            found=repr(text),
        )
    return text == b"big"


def note_unreferenced(opened: Opened, records: Iterable[Record], used: set[str]) -> None:
    """List the storage records among `records` that nothing names."""
    count = nbytes = 0
    for record in records:
        if record.name in used or record.is_folder:
            continue
        count += 1
        nbytes += record.nbytes
        opened.anomalies.append(
            Anomaly(
                "storage_unreferenced",
                f"{record.nbytes} bytes that nothing names",
                offset=record.offset,
                record=record.name,
            )
        )
    if count:
        text = f"{count} storage records ({nbytes} bytes) belong to nothing in the archive"
        opened.notes.append(Note("storages_unreferenced", text))

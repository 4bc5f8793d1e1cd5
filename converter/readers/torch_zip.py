"""Reads what torch.save has written since 1.6 (and 1.4 on request): pickle and storages in a zip.

Layout: ``R/data.pkl``, one record per storage under ``R/data/`` (torch 1.4: ``R/tensors/``),
``R/byteorder``, ``R/version``. The root R is the first part of the first entry's name, as torch
has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.byteio.source import WindowSource
from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.storage import Storage
from converter.containers.zip_archive import read_zip
from converter.errors import ContainerError, TensorError
from converter.readers.persistent_storages import PersistentStorages, StorageClaim
from converter.readers.pickled import read_pickled

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.containers.records import Archive, Record
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener
    from converter.readers.rebuild.rebuilder import Rebuilder

_STORAGE_FOLDERS: Final = ("data", "tensors")
# torch's own bookkeeping: present in every archive, even one whose pickling failed.
_BOOKKEEPING: Final = frozenset(
    {
        "version",
        ".data/version",
        "byteorder",
        ".data/serialization_id",
        ".format_version",
        ".storage_alignment",
    }
)


class ZipStorages(PersistentStorages):
    """Storages that are records of a zip archive."""

    def __init__(self, archive: Archive, root: str, *, big_endian: bool) -> None:
        """Look storages up in `archive` below `root`."""
        super().__init__()
        self._archive: Final = archive
        self._root: Final = root
        self._prefixes: Final = tuple(f"{root}/{folder}/" for folder in _STORAGE_FOLDERS)
        self._big_endian: Final = big_endian

    def find(self, claim: StorageClaim, rebuilder: Rebuilder) -> Storage:
        """Return the record of a storage, which must be exactly as long as the id says.

        Raises:
            TensorError: there is no such record, or it is too short.
        """
        key, dtype, location, _, nbytes, _ = claim
        record = self._archive.find_folded(self._prefixes[0] + key)
        if record is None:
            record = self._archive.find_folded(self._prefixes[1] + key)
        if record is None:
            if location == "meta":
                return Storage(key, None, nbytes, dtype, "meta")
            raise TensorError(
                "storage without a record",
                expected=f"a record {self._root}/data/{key}",
                found="none",
            )
        data = record.data
        there = data.nbytes
        if there < nbytes:
            raise TensorError(
                "record shorter than its storage",
                record=record.name,
                expected=f"{nbytes} bytes",
                found=f"{there}",
            )
        if there > nbytes:
            rebuilder.observe(
                "record_longer_than_storage",
                f"{record.name} holds {there} bytes where {nbytes} are declared",
                record.offset,
            )
            data = WindowSource(data, 0, nbytes, record.name)
        return Storage(key, data, nbytes, dtype, location, self._big_endian)


def read_torch_zip(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    """Read a zip archive of torch.save.

    Raises:
        ContainerError: it cannot be listed, or holds nothing that torch writes.
    """
    return read_torch_archive(source, read_zip(source, limits), limits, blobs)


def read_torch_archive(
    source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener
) -> Opened:
    """Read a zip archive of torch.save that has been listed.

    Raises:
        ContainerError: it holds nothing that torch writes.
    """
    opened = Opened(source, "zip", anomalies=list(archive.anomalies))
    root = archive.root
    pickle_record = archive.find_folded(f"{root}/data.pkl")
    if pickle_record is None:
        raise _without_pickle(source, archive, root)
    storages = ZipStorages(archive, root, big_endian=_is_big_endian(archive, root, limits))
    opened.writer = writer_of(archive, root)
    read_pickled(
        opened, pickle_record.data, pickle_record.name, storages.resolve, limits, blobs=blobs
    )
    opened.storages = storages.storages
    _note_unreferenced(opened, archive, root, storages.keys)
    return opened


def _is_big_endian(archive: Archive, root: str, limits: Limits) -> bool:
    """Return the byte order; little-endian where the archive does not say (before torch 2.1)."""
    record = archive.find_folded(f"{root}/byteorder")
    if record is None:
        return False
    text = record.data.read_at(0, min(record.nbytes, limits.max_record_name_bytes))
    if text not in (b"little", b"big"):
        raise ContainerError(
            "byte order of an unknown name",
            source=archive_name(record),
            record=record.name,
            expected="little or big",
            found=repr(text[:20]),
        )
    return text == b"big"


def archive_name(record: Record) -> str:
    """Return the file part of a record's display name."""
    return record.data.name.split("!", 1)[0]


def _without_pickle(source: ByteSource, archive: Archive, root: str) -> ContainerError:
    names = {record.name.removeprefix(f"{root}/") for record in archive.records}
    if names and names <= _BOOKKEEPING:
        return ContainerError(
            "aborted torch.save, nothing was pickled",
            source=source.name,
            expected=f"a record {root}/data.pkl",
            found="only " + ", ".join(sorted(names)),
        )
    return ContainerError(
        "zip archive that torch.save did not write",
        source=source.name,
        expected="a record <root>/data.pkl",
        found=f"{len(archive.records)} records, the first "
        + (repr(archive.records[0].name[:80]) if archive.records else "missing"),
    )


def writer_of(archive: Archive, root: str) -> str:
    """Return which releases of torch write such an archive (sources: torch 1.4 to 2.13)."""
    if archive.find(f"{root}/.format_version"):
        return "torch 2.7 or later"
    if archive.find(f"{root}/byteorder"):
        return "torch 2.1 to 2.6"
    if any(record.name.startswith(f"{root}/tensors/") for record in archive.records):
        return "torch 1.4"
    return "torch 1.5 to 2.0"


def _note_unreferenced(opened: Opened, archive: Archive, root: str, used: frozenset[str]) -> None:
    """List storage records that nothing in the pickle names."""
    count = nbytes = 0
    for folder in _STORAGE_FOLDERS:
        prefix = f"{root}/{folder}/"
        start = len(prefix)
        for record in archive.records:
            key = record.name[start:]
            if key not in used and record.name.startswith(prefix) and key[-1:] not in ("", "/"):
                count += 1
                nbytes += record.nbytes
                opened.anomalies.append(
                    Anomaly(
                        "storage_unreferenced",
                        f"{record.nbytes} bytes that nothing in the pickle names",
                        offset=record.offset,
                        record=record.name,
                    )
                )
    if count:
        opened.notes.append(
            Note(
                "storages_unreferenced",
                f"{count} storage records ({nbytes} bytes) belong to nothing in the pickle",
            )
        )

"""Reads the folder of a distributed checkpoint (torch.distributed.checkpoint).

``.metadata`` is a pickle that says which chunks every tensor has and where they lie;
``__<rank>_<n>.distcp`` holds items end to end, each a whole archive of torch.save: one chunk of a
tensor, or one other value. With ``SerializationFormat.SAFETENSORS`` the chunks of a file are one
safetensors file behind its other items.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.byteio.source import WindowSource
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import CompositeTensor, MappingValue, kind_of
from converter.errors import ContainerError, TensorError, UnsupportedError
from converter.readers.assembling import Chunk, assemble
from converter.readers.bare_pickle import read_bare_pickle
from converter.readers.dcp_metadata import ItemKey, metadata_of
from converter.readers.nesting import nested
from converter.readers.record_values import listed
from converter.readers.safetensors_source import read_safetensors
from converter.readers.torch_legacy import blob_opener
from converter.readers.torch_zip import read_torch_zip

if TYPE_CHECKING:
    from converter.byteio.local import FileSource
    from converter.checkpoint.values import Value
    from converter.readers.dcp_metadata import DcpMetadata, ItemPlace, TensorEntry
    from converter.readers.folder_parts import FolderParts

METADATA_NAME: Final = ".metadata"
SHARD_SUFFIX: Final = ".distcp"
_ZIP_HEAD: Final = b"PK\3\4"


def read_dcp(parts: FolderParts, below: str = "") -> Value:
    """Return the tree that was saved in a folder, or in its subfolder `below` (ends in /).

    Raises:
        ContainerError: the metadata is not what torch writes, or files are missing.
        TensorError: chunks are missing, overlap, or are not what the metadata says.
        UnsupportedError: items were passed through extensions (compression, …).
    """
    return _DcpReader(parts, below).read()


class _DcpReader:
    """One distributed checkpoint while it is read."""

    def __init__(self, parts: FolderParts, below: str) -> None:
        self._parts: Final = parts
        self._below: Final = below
        self._blobs: Final = blob_opener(parts.limits)
        # (file, offset) → tensors by name, of safetensors files behind other items.
        self._safetensors: Final[dict[tuple[str, int], MappingValue]] = {}

    def read(self) -> Value:
        parts = self._parts
        name = f"{self._below}{METADATA_NAME}"
        file = parts.source.open_file(name)
        found = read_bare_pickle(file, parts.limits, self._blobs)
        parts.absorb(found, name)
        if found.error is not None:
            return None
        metadata = metadata_of(found.root, file.name)
        parts.opened.anomalies.extend(metadata.anomalies)
        writer = "torch.distributed.checkpoint"
        parts.opened.writer = f"{writer} {metadata.version}" if metadata.version else writer
        _check_transforms(metadata, file.name)
        files = dict.fromkeys(self._below + place.file for place in metadata.places.values())
        parts.open_all(files, name)
        values: dict[str, Value] = {}
        for entry_name, entry in metadata.entries.items():
            values[entry_name] = (
                self._plain_value(metadata, entry_name)
                if entry is None
                else self._tensor(metadata, entry_name, entry)
            )
        self._account(metadata)
        return nested(parts.opened, values, metadata.paths)

    def _tensor(self, metadata: DcpMetadata, name: str, entry: TensorEntry) -> Value:
        """Return a tensor put together from its chunks."""
        chunks = []
        for start, sizes in entry.chunks:
            if 0 in sizes:
                continue
            found = self._item(metadata, ItemKey(name, start))
            if isinstance(found, CompositeTensor) and len(entry.chunks) == 1:
                return found
            if not isinstance(found, TensorRef) or found.shape != sizes:
                shape = list(found.shape) if isinstance(found, TensorRef) else kind_of(found)
                raise TensorError(
                    "chunk is not what the metadata says",
                    source=self._parts.source.name,
                    record=name,
                    expected=f"a tensor of sizes {list(sizes)} at {list(start)}",
                    found=str(shape),
                )
            chunks.append(Chunk(start, found))
        try:
            whole = assemble(name, entry.dtype, entry.shape, chunks)
        except (TensorError, UnsupportedError) as error:
            error.source = error.source or self._parts.source.name
            raise
        # Every item calls its storage 0.
        whole = replace(whole, storage=replace(whole.storage, key=name))
        self._parts.opened.storages.append(whole.storage)
        return whole

    def _plain_value(self, metadata: DcpMetadata, name: str) -> Value:
        """Return a value that is no tensor of its own."""
        return self._item(metadata, ItemKey(name, None))

    def _item(self, metadata: DcpMetadata, key: ItemKey) -> Value:
        place = metadata.places.get(key)
        if place is None:
            where = "" if key.offset is None else f" of the chunk at {list(key.offset)}"
            raise TensorError(
                "value without a place",
                source=self._parts.source.name,
                record=key.name,
                expected=f"the place{where} in {METADATA_NAME}",
                found="none",
            )
        file = self._parts.source.open_file(self._below + place.file)
        _check_inside(file, place, key.name)
        head = file.read_at(place.offset, min(len(_ZIP_HEAD), place.nbytes))
        if key.offset is not None and head != _ZIP_HEAD:
            return self._safetensors_item(file, place, key)
        label = f"{self._below}{place.file}@{place.offset}"
        window = WindowSource(file, place.offset, place.nbytes, f"{file.name}@{place.offset}")
        found = read_torch_zip(window, self._parts.limits, self._blobs)
        if key.offset is not None:
            if found.error is not None:
                raise found.error
            found.storages.clear()  # the whole tensor's stands for those of its chunks
        self._parts.absorb(found, label)
        return found.root

    def _safetensors_item(self, file: FileSource, place: ItemPlace, key: ItemKey) -> Value:
        """Return a chunk out of the safetensors file that begins where its item does."""
        known = (place.file, place.offset)
        tensors = self._safetensors.get(known)
        if tensors is None:
            name = f"{file.name}@{place.offset}"
            window = WindowSource(file, place.offset, file.nbytes - place.offset, name)
            found = read_safetensors(window, self._parts.limits)
            tensors = MappingValue("dict")
            if isinstance(found.root, MappingValue):
                tensors.entries.extend(found.root.entries)
            self._safetensors[known] = tensors
        return tensors.find(key.name)

    def _account(self, metadata: DcpMetadata) -> None:
        """Report bytes of the files, and files of the folder, that belong to no item."""
        spans: dict[str, list[tuple[int, int]]] = {}
        for place in metadata.places.values():
            stop = place.offset + place.nbytes
            if (place.file, place.offset) in self._safetensors:
                stop = self._parts.source.open_file(self._below + place.file).nbytes
            spans.setdefault(self._below + place.file, []).append((place.offset, stop))
        for name, taken in spans.items():
            left = _left_between(taken, self._parts.source.open_file(name).nbytes)
            if left:
                detail = f"{left} bytes that belong to no item"
                self._parts.opened.anomalies.append(
                    Anomaly("dcp_bytes_unreferenced", detail, record=name)
                )
        names = (
            self._parts.source.list_names(self._below.rstrip("/"), self._parts.limits)
            if self._below
            else self._parts.names
        )
        unused = [n for n in names if n.endswith(SHARD_SUFFIX) and self._below + n not in spans]
        if unused:
            text = f"files that {METADATA_NAME} does not name: {listed(unused)}"
            self._parts.note("dcp_files_unreferenced", text)


def _check_transforms(metadata: DcpMetadata, source: str) -> None:
    for key, place in metadata.places.items():
        if place.transforms:
            raise UnsupportedError(
                "items of a distributed checkpoint were passed through extensions",
                source=source,
                record=key.name,
                expected="items as torch.save writes them",
                found=", ".join(place.transforms),
                code="dcp_transforms",
            )


def _check_inside(file: FileSource, place: ItemPlace, name: str) -> None:
    if place.offset < 0 or place.nbytes < 0 or place.offset + place.nbytes > file.nbytes:
        raise ContainerError(
            "item outside its file",
            source=file.name,
            record=name,
            expected=f"{place.nbytes} bytes at {place.offset}",
            found=f"a file of {file.nbytes} bytes",
            code="dcp_truncated",
        )


def _left_between(taken: list[tuple[int, int]], nbytes: int) -> int:
    """Return how many of `nbytes` bytes no span takes."""
    left = position = 0
    for start, stop in sorted(taken):
        left += max(0, start - position)
        position = max(position, stop)
    return left + max(0, nbytes - position)

"""A document's records and tree as storages, tensors and values again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Component, Note
from converter.checkpoint.document_types import (
    RestoredTree,
    SourceView,
    contiguous_stride,
)
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef, check_bounds
from converter.checkpoint.tree_decoding import TreeDecoder, complete, decode_dtype
from converter.errors import FormatError, TensorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converter.byteio.source import ByteSource
    from converter.checkpoint.document_types import (
        CheckpointDocument,
        ComponentRecord,
        StorageRecord,
        TensorRecord,
    )
    from converter.limits import Limits

    TensorLookup: TypeAlias = Callable[[str, str | None], ByteSource]


class Instead(Protocol):
    """What takes the place of storages and tensors over the output's bytes, by their indexes."""

    @property
    def storages(self) -> Mapping[int, Storage]:
        """Return the storages."""

    @property
    def tensors(self) -> Mapping[int, TensorRef]:
        """Return the tensors, but for their attributes."""


class DocumentDecoder:
    """Makes the storages, then the tensors over them, then the tree over the tensors."""

    def __init__(
        self,
        document: CheckpointDocument,
        tensor_lookup: TensorLookup,
        limits: Limits,
        instead: Instead | None = None,
    ) -> None:
        self._document: Final = document
        self._instead: Final = instead
        self._lookup: Final = tensor_lookup
        self._limits: Final = limits
        self._tensors: Final[list[TensorRef]] = []
        self._storages: Final[list[Storage]] = []
        self._sources: Final[dict[tuple[str, str | None], ByteSource]] = {}
        self._written: Final[dict[tuple[int, str, str | None], Storage]] = {}
        self._tree: Final = TreeDecoder(document.nodes, self._tensors, self._storages)

    def restore(self) -> RestoredTree:
        """Return everything; to be called once."""
        document = self._document
        self._storages.extend(self._storage(index) for index in range(len(document.storages)))
        self._tensors.extend(self._tensor(index) for index in range(len(document.tensors)))
        for tensor, record in zip(self._tensors, document.tensors, strict=True):
            if record.attributes is not None:
                complete(tensor, "attributes", self._tree.decode(record.attributes))
        root = self._tree.decode(document.root)
        return RestoredTree(
            root=root,
            components=tuple(self._component(record) for record in document.components),
            tensors=tuple(self._tensors),
            views=tuple(_source_view(record) for record in document.tensors),
            storages=tuple(self._storages),
            notes=tuple(Note(note.code, self._tree.text(note.text)) for note in document.notes),
        )

    def _storage(self, index: int) -> Storage:
        if self._instead is not None and index in self._instead.storages:
            return self._instead.storages[index]
        record = self._document.storages[index]
        if record.data is not None:
            if len(record.data) != record.nbytes:
                raise _wrong_length(f"storage {index}", record.nbytes, len(record.data))
            data = MemorySource(record.data, self._tree.text(record.key))
            return self._make_storage(record, data, data.nbytes, big_endian=record.big_endian)
        if record.name is None:
            return self._make_storage(record, None, record.nbytes, big_endian=False)
        storage = self._written_storage(index, record.name, record.file)
        if storage.nbytes != record.nbytes:
            raise _wrong_length(record.name, record.nbytes, storage.nbytes)
        return storage

    def _make_storage(
        self, record: StorageRecord, data: ByteSource | None, nbytes: int, *, big_endian: bool
    ) -> Storage:
        return Storage(
            key=self._tree.text(record.key),
            data=data,
            nbytes=nbytes,
            dtype=None if record.dtype is None else decode_dtype(record.dtype),
            location=self._tree.text(record.location),
            big_endian=big_endian,
            left_out=data is None and nbytes > 0 and self._tree.text(record.location) != "meta",
        )

    def _written_storage(self, index: int, name: str, file: str | None) -> Storage:
        """Return the storage over one output tensor: the same one for exact aliases."""
        if (name, file) not in self._sources:
            self._sources[name, file] = self._lookup(name, file)
        key = (index, name, file)
        if key not in self._written:
            data = self._sources[name, file]
            record = self._document.storages[index]
            # Elements are written little-endian; bytes that have no elements keep their order.
            as_it_was = record.dtype is None and (name, file) == (record.name, record.file)
            self._written[key] = self._make_storage(
                record, data, data.nbytes, big_endian=record.big_endian and as_it_was
            )
        return self._written[key]

    def _tensor(self, index: int) -> TensorRef:
        record = self._document.tensors[index]
        if self._instead is not None and index in self._instead.tensors:
            tensor = self._instead.tensors[index]
            check_bounds(tensor, self._limits, record.name or tensor.storage.key)
            return tensor
        if record.storage >= len(self._storages):
            raise FormatError(
                "document",
                expected=f"an index into the {len(self._storages)} storages",
                found=str(record.storage),
            )
        view = _source_view(record)
        storage = self._storages[record.storage]
        if record.name is not None:
            storage = self._written_storage(record.storage, record.name, record.file)
            view = SourceView(record.storage, contiguous_stride(record.shape), 0)
        tensor = TensorRef(
            storage=storage,
            dtype=decode_dtype(record.dtype),
            shape=tuple(record.shape),
            stride=view.stride,
            offset=view.offset,
            conj=view.conj,
            neg=view.neg,
            requires_grad=record.requires_grad,
            class_name=self._tree.text(record.class_name),
        )
        check_bounds(tensor, self._limits, record.name or storage.key)
        if record.name is not None and tensor.nbytes != storage.nbytes:
            raise _wrong_length(record.name, tensor.nbytes, storage.nbytes)
        return tensor

    def _component(self, record: ComponentRecord) -> Component:
        text = self._tree.text
        tensors: dict[str, TensorRef] = {}
        for name, index in record.tensors:
            if index >= len(self._tensors):
                raise FormatError(
                    "document",
                    expected=f"an index into the {len(self._tensors)} tensors",
                    found=str(index),
                )
            tensors[text(name)] = self._tensors[index]
        return Component(
            name=text(record.name),
            kind=record.kind,
            path=tuple(text(part) for part in record.path),
            value=self._tree.decode(record.value),
            tensors=tensors,
            class_name=None if record.class_name is None else text(record.class_name),
        )


def _source_view(record: TensorRecord) -> SourceView:
    stride = contiguous_stride(record.shape) if record.stride is None else tuple(record.stride)
    if len(stride) != len(record.shape):
        raise FormatError(
            "document", expected=f"{len(record.shape)} strides", found=str(len(stride))
        )
    return SourceView(record.storage, stride, record.offset, record.conj, record.neg)


def _wrong_length(name: str, expected: int, found: int) -> TensorError:
    return TensorError(
        "tensor of another length than its record says",
        record=name,
        expected=f"{expected} bytes",
        found=str(found),
    )

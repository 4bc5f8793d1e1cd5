"""The records of a document: what each tensor, storage and component was, around the tree."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from converter._version import __version__
from converter.checkpoint.document_types import (
    PRODUCER_NAME,
    SCHEMA_ID,
    CheckpointDocument,
    ComponentRecord,
    NoteRecord,
    ProducerRecord,
    SourceRecord,
    StorageRecord,
    TensorRecord,
    contiguous_stride,
)
from converter.checkpoint.tensor import TENSOR_CLASS
from converter.checkpoint.tree_encoding import TreeEncoder

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from converter.checkpoint.canonical import Checkpoint, Component, Note
    from converter.checkpoint.document_types import OutputTensor
    from converter.checkpoint.storage import Storage
    from converter.checkpoint.tensor import TensorRef
    from converter.checkpoint.values import Value

# Many tensors have one of few shapes.
_contiguous_stride: Final = lru_cache(maxsize=1024)(contiguous_stride)


class DocumentEncoder:
    """Writes the records around the tree."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        outputs: Mapping[TensorRef, OutputTensor],
        kept: Container[Storage] = (),
    ) -> None:
        roots: list[Value] = [checkpoint.opened.root]
        for component in checkpoint.components:
            roots += [component.value, *component.tensors.values()]
        self._checkpoint: Final = checkpoint
        self._outputs: Final = outputs
        self._kept: Final = kept
        self._tree: Final = TreeEncoder(roots)

    def document(self, aliases: Mapping[str, str]) -> CheckpointDocument:
        """Return the document; to be called once."""
        checkpoint = self._checkpoint
        for component in checkpoint.components:
            self._tree.number_tensors(component.tensors.values())  # in this order
        root = self._tree.encode(checkpoint.opened.root)
        components = [self._component(component) for component in checkpoint.components]
        tensors: list[TensorRecord] = []
        while len(tensors) < len(self._tree.tensors):  # attributes may hold further tensors
            tensors.append(self._tensor(self._tree.tensors[len(tensors)]))
        return CheckpointDocument(
            schema=SCHEMA_ID,
            producer=ProducerRecord(PRODUCER_NAME, __version__),
            source=self._source(),
            style=checkpoint.style,
            bare=checkpoint.bare,
            components=components,
            tensors=tensors,
            storages=self._storages(),
            root=root,
            nodes=self._tree.nodes,
            layout=checkpoint.layout,
            notes=self._notes(checkpoint.notes),
            aliases=dict(aliases),
        )

    def _source(self) -> SourceRecord:
        opened = self._checkpoint.opened
        return SourceRecord(
            name=self._tree.text(base_name(opened.source.name)),
            nbytes=opened.source.nbytes,
            container=opened.container,
            writer=opened.writer,
            notes=self._notes(opened.notes),
        )

    def _notes(self, notes: Iterable[Note]) -> list[NoteRecord]:
        return [NoteRecord(note.code, self._tree.text(note.text)) for note in notes]

    def _component(self, component: Component) -> ComponentRecord:
        tree = self._tree
        return ComponentRecord(
            name=tree.text(component.name),
            kind=component.kind,
            path=[tree.text(part) for part in component.path],
            value=tree.encode(component.value),
            tensors=[
                (tree.text(name), tree.tensor_id(tensor))
                for name, tensor in component.tensors.items()
            ],
            class_name=None if component.class_name is None else tree.text(component.class_name),
        )

    def _tensor(self, tensor: TensorRef) -> TensorRecord:
        output = self._outputs.get(tensor)
        if self._checkpoint.views:
            tensor = self._as_it_was(tensor)
        row_major = tensor.stride == _contiguous_stride(tensor.shape)
        plain = tensor.attributes is None
        if output is not None and plain and row_major and _is_ordinary(tensor, output):
            storage = self._tree.storage_id(tensor.storage)
            return TensorRecord(output.name, tensor.dtype.name, list(tensor.shape), storage)
        return TensorRecord(
            name=None if output is None else output.name,
            dtype=tensor.dtype.name,
            shape=list(tensor.shape),
            storage=self._tree.storage_id(tensor.storage),
            file=None if output is None else output.file,
            stride=None if row_major else list(tensor.stride),
            offset=tensor.offset,
            conj=tensor.conj,
            neg=tensor.neg,
            requires_grad=tensor.requires_grad,
            class_name=self._tree.text(tensor.class_name),
            attributes=None if plain else self._tree.encode(tensor.attributes),
            encoding=None if output is None else output.encoding,
        )

    def _as_it_was(self, tensor: TensorRef) -> TensorRef:
        """Return a tensor as the first source of all had it."""
        return self._checkpoint.views.get(tensor, tensor)

    def _storages(self) -> list[StorageRecord]:
        whole: dict[Storage, OutputTensor] = {}
        views = [(self._as_it_was(tensor), tensor) for tensor in self._tree.tensors]
        users = Counter(view.storage for view, _ in views)
        users.update(self._tree.bare)
        if len(users) < len(views) or self._tree.bare:
            for view, tensor in views:
                shared = users[view.storage] > 1
                if shared and tensor in self._outputs and _holds_whole_storage(view):
                    whole.setdefault(view.storage, self._outputs[tensor])
        text = self._tree.text
        records = []
        for storage in self._tree.storages:
            output = whole.get(storage)
            records.append(
                StorageRecord(
                    text(storage.key),
                    storage.nbytes,
                    None if storage.dtype is None else storage.dtype.name,
                    text(storage.location),
                    storage.big_endian,
                    None if output is None else output.name,
                    None if output is None else output.file,
                    self._kept_bytes(storage) if storage in self._kept else None,
                )
            )
        return records

    def _kept_bytes(self, storage: Storage) -> bytes | None:
        return None if storage.data is None else storage.data.read_at(0, storage.nbytes)


def base_name(name: str) -> str:
    """Return the last part of a path or URL, in the spelling of any system."""
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _is_ordinary(tensor: TensorRef, output: OutputTensor) -> bool:
    """Return whether nothing is to be said of a tensor but its name, type, shape and storage."""
    return (
        tensor.class_name == TENSOR_CLASS
        and not (tensor.offset or tensor.conj or tensor.neg or tensor.requires_grad)
        and output.file is None
        and output.encoding is None
    )


def _holds_whole_storage(tensor: TensorRef) -> bool:
    """Return whether the tensor's output bytes are its storage's bytes, all of them, in order."""
    storage = tensor.storage
    if tensor.offset or tensor.conj or tensor.neg or not tensor.is_contiguous:
        return False
    if tensor.nbytes != storage.nbytes:
        return False
    if storage.dtype is None:
        return not storage.big_endian or tensor.dtype.swap == 1
    return not storage.big_endian or tensor.dtype is storage.dtype

"""Gives a converted checkpoint back its tree and its components, from the document beside it.

A single safetensors file carries its document in its own metadata, or names a sidecar file there;
its sha256 stands there either way. A folder has one document for all its files. A document that is
missing, damaged or that of other tensors costs only itself: the tensors open as those of any
safetensors file, and an anomaly says why.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.byteio.sibling import open_sibling
from converter.checkpoint.canonical import Checkpoint, Note, Origin
from converter.checkpoint.document import decode_document, restore_tree
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.tree_decoding import TreeDecoder, decode_dtype
from converter.checkpoint.tree_sharing import find_tensors
from converter.checkpoint.values import MappingValue, SequenceValue
from converter.errors import (
    DepickleError,
    FormatError,
    LimitError,
    SourceError,
    SourceNotFoundError,
)
from converter.readers.components import Part, component_of
from converter.readers.flattening import TensorMap
from converter.readers.rejoining import rejoin, worth_rejoining
from converter.readers.safetensors_source import METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from converter.byteio.source import ByteSource
    from converter.checkpoint.canonical import Component, Opened
    from converter.checkpoint.document_decoding import TensorLookup
    from converter.checkpoint.document_types import (
        CheckpointDocument,
        RestoredTree,
        StorageRecord,
        TensorRecord,
    )
    from converter.limits import Limits

    # (name, file) as a document has them → what the file holds; None: the document's own file.
    Held: TypeAlias = Mapping[tuple[str, str | None], TensorRef]

DOCUMENT_KEY: Final = "depickle.document"
DOCUMENT_SHA256_KEY: Final = "depickle.document.sha256"
DOCUMENT_FILE_KEY: Final = "depickle.document.file"
_OURS: Final = "depickle."


class DocumentError(FormatError):
    """A document is missing, or is not that of the tensors beside it; `code` says which."""


def read_converted(opened: Opened, folder: str | Path, limits: Limits) -> Checkpoint | None:
    """Return the checkpoint that a converted file was made from, or None for any other file.

    None as well where the document cannot be used; `opened` then has an anomaly and a note more.

    Args:
        opened: what a reader found.
        folder: where the file lies: a sidecar is looked for there and nowhere else.
        limits: caps on the document.
    """
    metadata = metadata_of(opened)
    if DOCUMENT_KEY not in metadata and DOCUMENT_FILE_KEY not in metadata:
        return None
    opened.notes = [note for note in opened.notes if not note.text.startswith(_OURS)]
    try:
        document = decode_document(_document_text(metadata, folder, limits))
        if any(True for _ in named_files(document)):
            _say_part_of_folder(opened)
            return None
        held: Held = {(name, None): tensor for name, tensor in own_tensors(opened).items()}
        return restored_checkpoint(opened, document, held, limits)
    except (FormatError, SourceError) as error:
        say_unusable(opened, error)
        return None


def metadata_of(opened: Opened) -> dict[str, str]:
    """Return the metadata of a safetensors file as its reader kept it; empty for other files."""
    root = opened.root
    if opened.container != "safetensors" or not isinstance(root, MappingValue):
        return {}
    found = root.attributes.find(METADATA) if root.attributes is not None else None
    if not isinstance(found, MappingValue):
        return {}
    return {k: v for k, v in found.entries if isinstance(k, str) and isinstance(v, str)}


def own_tensors(opened: Opened) -> dict[str, TensorRef]:
    """Return the tensors of a safetensors file, without the second names that metadata gives."""
    found: dict[str, TensorRef] = {}
    if isinstance(opened.root, MappingValue):
        for key, value in opened.root.entries:
            if isinstance(value, TensorRef) and key == value.storage.key:
                found[str(key)] = value
    return found


def named_files(document: CheckpointDocument) -> Iterator[str]:
    """Yield the other files that the records of a document name, each once, in order."""
    records: list[TensorRecord | StorageRecord] = [*document.tensors, *document.storages]
    yield from dict.fromkeys(record.file for record in records if record.file is not None)


def read_document(folder: str | Path, name: str, sha256: str | None, limits: Limits) -> bytes:
    """Return the JSON of a document file beside the tensors.

    Raises:
        DocumentError: there is no such file, or it has another digest.
        SourceError: it cannot be read.
        LimitError: it is longer than the limits allow.
    """
    try:
        sidecar = open_sibling(folder, name)
    except SourceNotFoundError as error:
        raise DocumentError(
            "document is missing", expected=name, found="no such file", code="document_missing"
        ) from error
    with sidecar:
        _check_length(sidecar.nbytes, limits)
        text = sidecar.read_at(0, sidecar.nbytes)
    _check_digest(text, sha256, name)
    return text


def restored_checkpoint(
    opened: Opened, document: CheckpointDocument, held: Held, limits: Limits
) -> Checkpoint:
    """Return the checkpoint of a document over the tensors that are there.

    `opened` is given the tree in place of its own only once everything fits.

    Raises:
        FormatError: the document does not fit the tensors, or is damaged.
        LimitError: it holds more than the limits allow.
    """
    _check_counts(document, limits)
    _check_tensors(document, held)

    def look_up(name: str, file: str | None) -> ByteSource:
        return _data_of(held, name, file)

    tree = restore_tree(document, look_up, limits)
    components = tuple(_components(tree, limits))
    texts = TreeDecoder(document.nodes, (), ())
    origin = f"{document.source.container}: {texts.text(document.source.name)}"
    text = (
        f"converted by {document.producer.name} {document.producer.version} from {origin}, "
        f"{document.source.nbytes} bytes"
    )
    opened.root = tree.root
    opened.writer = f"{document.producer.name} {document.producer.version}"
    opened.origin = Origin(document.source.container, document.source.nbytes)
    opened.storages = list(dict.fromkeys(tensor.storage for tensor in tree.tensors))
    checkpoint = Checkpoint(
        opened,
        document.style,
        components,
        bare=document.bare,
        layout=document.layout,
        notes=(*tree.notes, Note("converted_from", text)),
        views=_views(tree),
    )
    if worth_rejoining(document):  # what it needs stays in memory
        checkpoint.rejoin = lambda: _rejoined(checkpoint, document, tree, look_up, limits)
    return checkpoint


def _views(tree: RestoredTree) -> dict[TensorRef, TensorRef]:
    """Return tensor → the view of its storage that it was."""
    return {
        tensor: replace(
            tensor,
            storage=tree.storages[view.storage],
            stride=view.stride,
            offset=view.offset,
            conj=view.conj,
            neg=view.neg,
        )
        for tensor, view in zip(tree.tensors, tree.views, strict=True)
    }


def _rejoined(
    checkpoint: Checkpoint,
    document: CheckpointDocument,
    tree: RestoredTree,
    look_up: TensorLookup,
    limits: Limits,
) -> Checkpoint:
    """Return a checkpoint over the storages that its tensors looked into, as far as they are there.

    Errors as in `rejoin`.
    """
    alone = {id(one) for one in find_tensors([tree.root]) if isinstance(one, Storage)}
    bare = [number for number, one in enumerate(tree.storages) if id(one) in alone]
    found = rejoin(document, tree, bare)
    again = restore_tree(document, look_up, limits, instead=found)
    return replace(
        checkpoint,
        opened=replace(checkpoint.opened, root=again.root),
        parts=tuple(_components(again, limits)),
        notes=(*checkpoint.notes, *found.notes),
        views={},
        rejoin=None,
    )


def say_unusable(opened: Opened, error: DepickleError) -> None:
    """Note that the document beside some tensors says nothing of use."""
    code = (isinstance(error, DocumentError) and error.code) or "document_damaged"
    opened.anomalies.append(Anomaly(code, str(error)))
    text = f"the document of this conversion cannot be used, only its tensors are shown: {error}"
    opened.notes.append(Note(code, text))


def _say_part_of_folder(opened: Opened) -> None:
    text = "one file of a converted folder: open the folder for the whole checkpoint"
    opened.notes.append(Note("document_of_folder", text))


def _document_text(metadata: Mapping[str, str], folder: str | Path, limits: Limits) -> str | bytes:
    text = metadata.get(DOCUMENT_KEY)
    if text is not None:
        _check_length(len(text), limits)
        _check_digest(text.encode(), metadata.get(DOCUMENT_SHA256_KEY), DOCUMENT_KEY)
        return text
    return read_document(
        folder, metadata[DOCUMENT_FILE_KEY], metadata.get(DOCUMENT_SHA256_KEY, ""), limits
    )


def _check_digest(text: bytes, sha256: str | None, name: str) -> None:
    digest = hashlib.sha256(text).hexdigest()
    if sha256 is not None and digest != sha256:
        raise DocumentError(
            "document damaged, or of another file",
            source=name,
            expected=f"sha256 {sha256}",
            found=digest,
            code="document_mismatch",
        )


def _components(tree: RestoredTree, limits: Limits) -> Iterator[Component]:
    """Yield the components with what the document need not say, because the tree says it."""
    whole = SequenceValue("tuple", [tree.root, *(part.value for part in tree.components)])
    tensors = TensorMap(whole, limits)
    for one in tree.components:
        part = Part(one.name, one.kind, one.path, one.value)
        fresh, _ = component_of(part, tensors, limits)
        same = list(fresh.tensors) == list(one.tensors)
        yield replace(one, composites=fresh.composites, module=fresh.module if same else None)


def _check_length(nbytes: int, limits: Limits) -> None:
    if nbytes > limits.max_document_bytes:
        raise LimitError("max_document_bytes", allowed=limits.max_document_bytes, found=nbytes)


def _check_counts(document: CheckpointDocument, limits: Limits) -> None:
    if len(document.nodes) > limits.max_values:
        raise LimitError("max_values", allowed=limits.max_values, found=len(document.nodes))
    for records in (document.tensors, document.storages):
        if len(records) > limits.max_tensors:
            raise LimitError("max_tensors", allowed=limits.max_tensors, found=len(records))


def _check_tensors(document: CheckpointDocument, held: Held) -> None:
    """Check that the document speaks of these tensors: all of them, and as they are.

    A tensor without elements is written under each of its names, and its record has one of them.
    """
    spoken_of = set()
    empty = set()
    for record in document.tensors:
        if record.name is not None:
            spoken_of.add((record.name, record.file))
            tensor = _checked_tensor(record, record.name, held)
            if tensor.nbytes == 0:
                empty.add((record.file, tensor.dtype, tensor.shape))
    for name, file in held.keys() - spoken_of:
        tensor = held[name, file]
        if tensor.nbytes or (file, tensor.dtype, tensor.shape) not in empty:
            raise _mismatch(name, "a record in the document", "none")


def _checked_tensor(record: TensorRecord, name: str, held: Held) -> TensorRef:
    """Return what a file holds for a record; it must be as the record says."""
    tensor = held.get((name, record.file))
    if tensor is None:
        raise _mismatch(name, "a tensor of that name", "none")
    if record.encoding is not None:
        wanted = (record.encoding.dtype, tuple(record.encoding.shape))
    else:
        wanted = (str(decode_dtype(record.dtype).safetensors), tuple(record.shape))
    found = (str(tensor.dtype.safetensors), tensor.shape)
    if wanted != found:
        shown = [f"{dtype} {list(shape)}" for dtype, shape in (wanted, found)]
        raise _mismatch(name, *shown)
    return tensor


def _data_of(held: Held, name: str, file: str | None) -> ByteSource:
    tensor = held.get((name, file))
    if tensor is None or tensor.storage.data is None:
        raise _mismatch(name, "a tensor of that name", "none")
    return tensor.storage.data


def _mismatch(name: str, expected: str, found: str) -> DocumentError:
    return DocumentError(
        "document of other tensors",
        record=name,
        expected=expected,
        found=found,
        code="document_mismatch",
    )

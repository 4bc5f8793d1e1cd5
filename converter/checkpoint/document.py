"""A checkpoint as one JSON document beside its tensors, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from converter.checkpoint.document_encoding import DocumentEncoder
from converter.checkpoint.document_types import SCHEMA_ID, CheckpointDocument, OutputTensor
from converter.checkpoint.embedding import embedded_storages
from converter.errors import FormatError, PlanError, UnsupportedError
from converter.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.document_decoding import Instead, TensorLookup
    from converter.checkpoint.document_types import Encoding, RestoredTree
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits


class _Header(msgspec.Struct):
    schema: str


def encode_document(
    checkpoint: Checkpoint,
    names: Mapping[str, str],
    *,
    files: Mapping[str, str] | None = None,
    encodings: Mapping[str, Encoding] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> CheckpointDocument:
    """Return everything of a checkpoint but the bytes of its tensors.

    Args:
        checkpoint: what is being written.
        names: full name of a tensor (as `Checkpoint.tensors` gives it) → name in the output.
            Exact aliases may share a name. A tensor that is left out has no bytes there.
        files: full name → file, for tensors in another file than the document.
        encodings: full name → how the tensor stands in the output, where safetensors lacks its
            dtype.
        aliases: names that the output lacks → the names that stand for them.

    Raises:
        PlanError: two different tensors have one full name; `encode_planned` tells them apart.
        UnsupportedError: the tree holds a collection of a kind that has no JSON form.
    """
    files, encodings = files or {}, encodings or {}
    outputs: dict[TensorRef, OutputTensor] = {}
    first: dict[str, TensorRef] = {}
    for component in checkpoint.components:
        for key, tensor in component.tensors.items():
            full_name = checkpoint.full_name(component, key)
            if first.setdefault(full_name, tensor) is not tensor:
                msg = f"two tensors have one name: {full_name!r}"
                raise PlanError(msg)
            if full_name in names:
                name, file = names[full_name], files.get(full_name)
                outputs.setdefault(tensor, OutputTensor(name, file, encodings.get(full_name)))
    return encode_planned(checkpoint, outputs, aliases=aliases)


def encode_planned(
    checkpoint: Checkpoint,
    outputs: Mapping[TensorRef, OutputTensor],
    *,
    aliases: Mapping[str, str] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> CheckpointDocument:
    """Return everything of a checkpoint but the bytes of its tensors, for any output.

    Unlike `encode_document` this does not depend on names being distinct.

    Args:
        checkpoint: what is being written.
        outputs: tensor → where its bytes go. One that is left out has no bytes in the output.
        aliases: names that the output lacks → the names that stand for them.
        limits: how many bytes of tensors without a name the document may keep.

    Raises:
        UnsupportedError: the tree holds a collection of a kind that has no JSON form.
        SourceError: bytes that the document keeps cannot be read.
    """
    kept = embedded_storages(checkpoint, outputs, limits)
    return DocumentEncoder(checkpoint, outputs, kept).document(aliases or {})


def document_to_json(document: CheckpointDocument) -> bytes:
    """Return a document as UTF-8 JSON: compact, the same bytes for the same document."""
    return msgspec.json.encode(document)


def decode_document(text: bytes | str) -> CheckpointDocument:
    """Return the document that JSON holds, its shape checked against the schema.

    Raises:
        UnsupportedError: it is a document of another type or version.
        FormatError: it is no such document.
    """
    try:
        return msgspec.json.decode(text, type=CheckpointDocument)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        _check_schema_id(text)
        raise FormatError("document", expected=SCHEMA_ID, found=str(error)) from error


def restore_tree(
    document: CheckpointDocument,
    tensor_lookup: TensorLookup,
    limits: Limits = DEFAULT_LIMITS,
    *,
    instead: Instead | None = None,
) -> RestoredTree:
    """Return the tree of a document over the tensors beside it.

    Args:
        document: what was decoded.
        tensor_lookup: takes name and file (None: the document's own) of an output tensor and
            returns its bytes; asked once for each.
        limits: caps on the tensors' shapes.
        instead: storages and tensors, by index, to be in the place of those over the output's.

    Raises:
        FormatError: references lead nowhere or to values of the wrong type.
        TensorError: an output tensor has another length than its record says.
    """
    from converter.checkpoint.document_decoding import DocumentDecoder

    return DocumentDecoder(document, tensor_lookup, limits, instead).restore()


def _check_schema_id(text: bytes | str) -> None:
    """Raise when the JSON names another schema than this one."""
    try:
        found = msgspec.json.decode(text, type=_Header).schema
    except (ValueError, RecursionError):
        return
    if found != SCHEMA_ID:
        raise UnsupportedError("document", expected=SCHEMA_ID, found=found)

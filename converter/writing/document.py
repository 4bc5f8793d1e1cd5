"""Where the document of a checkpoint is kept: inside a header, or in a sidecar file.

A single file carries a document of up to `Limits.max_embedded_document_bytes` in its own metadata,
under ``depickle.document``. A larger one, and that of a folder, of which each file shows only a
part, is a JSON file next to the output; the metadata then holds its name. Either way it holds the
document's sha256 as well.

The name of a single file's sidecar holds the beginning of that digest: while an output is being
replaced, the old one and the new one each have their own beside them.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from converter.checkpoint.document import document_to_json, encode_planned
from converter.checkpoint.document_types import Encoding, OutputTensor
from converter.errors import PlanError
from converter.writing.aliases import DOCUMENT_FILE_KEY, DOCUMENT_KEY, DOCUMENT_SHA256_KEY
from converter.writing.header import exchange_metadata
from converter.writing.layout import FilePlan, OutputPlan, Sidecar
from converter.writing.sidecar import FOLDER_SIDECAR, sidecar_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits


def attach_document(plan: OutputPlan, document: str, limits: Limits) -> OutputPlan:
    """Return `plan` with `document`, JSON text that may speak of the plan itself.

    Raises:
        PlanError: the plan is plain and may hold no document, or has one already.
        LimitError: a header would be longer than readers accept.
    """
    if plan.plain:
        msg = "a plain output holds no document"
        raise PlanError(msg)
    if plan.sidecar or any(DOCUMENT_KEY in file.metadata for file in plan.files):
        msg = "the output has a document already"
        raise PlanError(msg)
    content = document.encode("utf-8")
    digest = hashlib.sha256(content).hexdigest()
    if not plan.folder and len(content) <= limits.max_embedded_document_bytes:
        added = {DOCUMENT_KEY: document, DOCUMENT_SHA256_KEY: digest}
        sidecar = None
    else:
        name = FOLDER_SIDECAR if plan.folder else sidecar_name(plan.files[0].file_name, digest)
        added = {DOCUMENT_SHA256_KEY: digest, DOCUMENT_FILE_KEY: name}
        sidecar = Sidecar(name, content)
    files = tuple(_with_metadata(file, added, limits) for file in plan.files)
    return replace(plan, files=files, sidecar=sidecar)


def _with_metadata(file: FilePlan, added: Mapping[str, str], limits: Limits) -> FilePlan:
    metadata = {**file.metadata, **added}
    return replace(
        file,
        metadata=MappingProxyType(metadata),
        header=exchange_metadata(file.header, file.metadata, metadata, limits),
    )


def document_text(checkpoint: Checkpoint, plan: OutputPlan, limits: Limits) -> str:
    """Return the document of an output as JSON text.

    Raises:
        SourceError: bytes that it keeps itself cannot be read.
    """
    outputs: dict[TensorRef, OutputTensor] = {}
    aliases: dict[str, str] = {}
    for file in plan.files:
        # The document of a folder stands beside the files, not in one of them.
        where = file.file_name if plan.folder else None
        by_name: dict[str, OutputTensor] = {}
        for entry in file.entries:
            encoding = None
            if entry.encoding is not None:
                encoding = Encoding("bitcast", entry.dtype, list(entry.shape))
            placed = outputs[entry.tensor] = OutputTensor(entry.name, where, encoding)
            if file.alias_plans:
                by_name[entry.name] = placed
        for alias in file.alias_plans:
            outputs[alias.tensor] = by_name[alias.kept]
            aliases[alias.name] = alias.kept
    document = encode_planned(checkpoint, outputs, aliases=aliases, limits=limits)
    return document_to_json(document).decode()

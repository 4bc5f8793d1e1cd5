"""What a header holds beside its tensors, and the document that it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.equality import trees_equal
from converter.limits import DEFAULT_LIMITS
from converter.verification.boxes import iter_values
from converter.verification.differences import Difference, DifferenceKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef
    from converter.verification.header import OutputHeader

FORMAT_KEY: Final = "format"
# What a reader calls a document that it cannot use.
_UNUSABLE: Final = frozenset({"document_missing", "document_mismatch", "document_damaged"})
# Characters of an entry of the metadata.
_MAX_SHOWN: Final = 80


def metadata_differences(
    file: str, expected: Mapping[str, str], header: OutputHeader
) -> Iterator[Difference]:
    """Compare the metadata of a header with what it should hold, and hold no more than.

    Entries that lead from a dropped name to a tensor are passed over: they are compared with the
    tensors.
    """
    for name in {**expected, **header.metadata}:
        wanted, found = expected.get(name), header.metadata.get(name)
        leads = wanted in header.tensors or found in header.tensors
        if wanted != found and (name == FORMAT_KEY or not leads):
            yield Difference(
                DifferenceKind.METADATA, name, file, _shortened(wanted), _shortened(found)
            )


def document_differences(source: Checkpoint, output: Checkpoint) -> Iterator[Difference]:
    """Compare what is no tensor, where the document of an output says it is that of `source`."""
    file = output.source.name
    for anomaly in output.opened.anomalies:
        if anomaly.code in _UNUSABLE:
            yield Difference(
                DifferenceKind.DOCUMENT, "", file, "the document of this output", anomaly.detail
            )
    if holds_values_of(source, output):
        named = {id(one) for part in output.components for one in part.tensors.values()}
        reason = trees_equal(
            source.opened.root,
            output.opened.root,
            # Those that a component names are compared as tensors.
            compare_tensors=lambda a, b: None if id(b) in named else _other_values(a, b),
        )
        if reason is not None:
            yield Difference(DifferenceKind.VALUE, "", file, "the values of the source", reason)


def _other_values(a: TensorRef, b: TensorRef) -> str | None:
    """Return how a tensor that the document itself keeps differs from the source's, or None."""
    if a.storage.data is None or b.storage.data is None:
        return None  # left out, which is said elsewhere, or never saved
    left, right = (
        b"".join(bytes(piece) for piece in iter_values(one, DEFAULT_LIMITS, one.storage.key))
        for one in (a, b)
    )
    return None if left == right else "a tensor with other elements"


def holds_values_of(source: Checkpoint, output: Checkpoint) -> bool:
    """Return whether a document says that it is of this very source, by its kind and length."""
    origin, opened = output.opened.origin, source.opened
    return origin is not None and (origin.container, origin.nbytes) == (
        opened.container,
        opened.source.nbytes,
    )


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _MAX_SHOWN:
        return text
    return f"{text[:_MAX_SHOWN]}… ({len(text)} characters)"

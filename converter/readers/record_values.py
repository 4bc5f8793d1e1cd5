"""Values that are whole records of an archive: pickles, nested torch.save files, texts, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from converter.checkpoint.canonical import Note
from converter.containers.detection import detect
from converter.errors import (
    ContainerError,
    DepickleError,
    FormatError,
    LimitError,
    UnsupportedError,
)
from converter.inert.machine import read_graph
from converter.readers.pickled import rebuild
from converter.readers.torch_legacy import read_torch_legacy
from converter.readers.torch_zip import read_torch_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from converter.checkpoint.canonical import Opened
    from converter.checkpoint.values import Value
    from converter.containers.records import Record
    from converter.inert.nodes import PersistentNode
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener
    from converter.readers.rebuild.rebuilder import Rebuilder

_MAX_TEXT_NBYTES: Final = 1 << 16
_MAX_LISTED: Final = 8

_Typed = TypeVar("_Typed")


def pickle_of_record(
    opened: Opened,
    record: Record,
    resolve: Callable[[PersistentNode, Rebuilder], Value],
    limits: Limits,
    blobs: BlobOpener,
) -> Value:
    """Return the value of a record that is one pickle.

    What is wrong with the pickle is kept in `opened.error`; what was understood is returned.
    """
    try:
        graph = read_graph(record.data, start=0, record=record.name, limits=limits)
    except DepickleError as error:
        keep_error(opened, error)
        return None
    opened.graphs.append((record.name, graph))
    opened.anomalies.extend(graph.anomalies)
    if graph.error is not None:
        keep_error(opened, graph.error)
        return None
    return rebuild(opened, graph, record.name, resolve, limits, blobs=blobs)


def nested_file_of_record(
    opened: Opened, record: Record, limits: Limits, blobs: BlobOpener
) -> Value:
    """Return the value of a record that is a whole file of torch.save.

    What is wrong with that file is kept in `opened.error`.
    """
    try:
        kind = detect(record.data).kind
        if kind == "zip":
            inner = read_torch_zip(record.data, limits, blobs)
        elif kind == "torch_legacy":
            inner = read_torch_legacy(record.data, limits, blobs)
        else:
            raise UnsupportedError(
                "nested record that is no file of torch.save",
                record=record.name,
                expected="a zip archive or a legacy stream",
                found=kind,
            )
    except DepickleError as error:
        keep_error(opened, error)
        return None
    opened.graphs.extend((f"{record.name}!{name}", graph) for name, graph in inner.graphs)
    opened.anomalies.extend(inner.anomalies)
    opened.notes.extend(inner.notes)
    opened.storages.extend(inner.storages)
    opened.error = opened.error or inner.error
    return inner.root


def small_record(record: Record, limits: Limits) -> bytes:
    """Return all bytes of a record that has to be small.

    Raises:
        LimitError: it is longer than `Limits.max_small_record_bytes`.
    """
    if record.nbytes > limits.max_small_record_bytes:
        raise LimitError(
            "max_small_record_bytes",
            allowed=limits.max_small_record_bytes,
            found=record.nbytes,
            record=record.name,
        )
    return record.data.read_at(0, record.nbytes)


def json_of_record(record: Record, kind: type[_Typed], limits: Limits) -> _Typed:
    """Return a JSON record as an object of a msgspec type; what the type lacks is skipped unread.

    Numbers may be written as text, as protobuf's JSON writes 64-bit ones.

    Raises:
        ContainerError: it is no JSON, nests too deeply, or has another shape.
        LimitError: it is longer than `Limits.max_small_record_bytes`.
    """
    raw = small_record(record, limits)
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContainerError(
            "JSON record of another shape",
            record=record.name,
            expected=f"what torch writes as {record.name.rpartition('/')[2]}",
            found=str(error)[:200] or type(error).__name__,
        ) from error


def small_values(
    opened: Opened, records: Iterable[tuple[str, Record]], code: str, limits: Limits
) -> list[tuple[Value, Value]]:
    """Return records that are neither tensors nor pickles as (name, text or bytes).

    Those of more than 64 KiB are left where they are, under a note `code`.
    """
    entries: list[tuple[Value, Value]] = []
    left: list[str] = []
    budget = limits.max_small_record_bytes
    for name, record in records:
        if record.nbytes > min(_MAX_TEXT_NBYTES, budget):
            left.append(f"{name} ({record.nbytes} bytes)")
            continue
        budget -= record.nbytes
        try:
            raw = record.data.read_at(0, record.nbytes)
        except DepickleError as error:
            keep_error(opened, error)
            continue
        entries.append((name, text_or_bytes(raw)))
    if left:
        opened.notes.append(Note(code, f"too long to be kept as values: {listed(left)}"))
    return entries


def text_or_bytes(raw: bytes) -> str | bytes:
    """Return bytes as text where they are UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def listed(names: list[str]) -> str:
    """Return a few of the names, and how many more there are."""
    more = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f", and {more} more" if more > 0 else "")


def keep_error(opened: Opened, error: DepickleError) -> None:
    """Keep the first error, with the source's name."""
    if opened.error is None:
        if isinstance(error, FormatError):
            error.source = error.source or opened.source.name
        opened.error = error

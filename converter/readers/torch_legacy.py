"""Reads the legacy stream: five pickles, then every storage as a count and raw elements.

Written by torch 0.1.10 to 1.5, by ``_use_new_zipfile_serialization=False`` since, and inside the
bytes of every tensor that a plain pickle holds. The elements are little-endian whatever sys_info
says: the C++ writer swapped bytes on big-endian hosts and torch.load ignores the field.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.byteio.source import MemorySource, WindowSource
from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.values import Value, as_text
from converter.containers.detection import detect
from converter.errors import ContainerError, PickleError, TensorError
from converter.inert.machine import read_graph
from converter.inert.nodes import ByteString, DictNode, Graph, ListNode, Node
from converter.readers.persistent_storages import (
    PersistentStorages,
    StorageClaim,
    claimed_storages,
    too_deep,
)
from converter.readers.pickled import rebuild
from converter.readers.rebuild import Rebuilder

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

MAGIC: Final = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION: Final = 1001
_COUNT: Final = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a storage's elements lie in the stream.

    Attributes:
        offset: absolute position of the first element, in bytes.
        count: elements, as the stream says.
        nbytes: bytes they take.
    """

    offset: int
    count: int
    nbytes: int


class LegacyStorages(PersistentStorages):
    """Storages that follow the pickles of a legacy stream."""

    def __init__(self, source: ByteSource, stored: dict[str, _Stored]) -> None:
        """Look storages up in the table made from the stream."""
        super().__init__()
        self._source: Final = source
        self._stored: Final = stored

    def find(self, claim: StorageClaim, rebuilder: Rebuilder) -> Storage:
        """Return a storage, or the slice of one that an old stream asks for.

        Raises:
            TensorError: the stream holds no such storage, or one of another length.
        """
        stored = self._stored.get(claim.key)
        if stored is None:
            raise TensorError(
                "storage missing from the stream's list of keys",
                expected=f"key {claim.key}",
                found="none (torch would give uninitialised memory)",
            )
        if stored.nbytes != claim.nbytes:
            raise TensorError(
                "storage of another length than its persistent id says",
                expected=f"{claim.nbytes} bytes for storage {claim.key}",
                found=f"{stored.nbytes}",
            )
        start, nbytes = stored.offset, stored.nbytes
        name = f"{self._source.name}!{claim.key}"
        if claim.view is not None:
            _, offset, numel = claim.view
            itemsize = claim.dtype.itemsize if claim.dtype else 1
            if offset < 0 or numel < 0 or (offset + numel) * itemsize > nbytes:
                raise TensorError(
                    "storage view outside its storage",
                    expected=f"a range within {claim.numel} elements of storage {claim.key}",
                    found=f"{offset} + {numel}",
                )
            start, nbytes = start + offset * itemsize, numel * itemsize
        data = WindowSource(self._source, start, nbytes, name)
        return Storage(claim.key, data, nbytes, claim.dtype, claim.location)


def read_torch_legacy(
    source: ByteSource, limits: Limits, blobs: BlobOpener, *, start: int = 0
) -> Opened:
    """Read a legacy stream.

    Raises:
        ContainerError: it does not begin as a legacy stream does.
    """
    opened = Opened(source, "legacy", writer="torch 0.1.10 to 1.5, or the legacy format since")
    position = _read_preamble(source, start, opened, limits)
    main = read_graph(source, start=position, record=None, limits=limits)
    opened.graphs.append(("object", main))
    opened.anomalies.extend(main.anomalies)
    if main.error is not None:
        opened.error = main.error
        return opened
    keys_graph = read_graph(source, start=main.stop, record=None, limits=limits)
    opened.graphs.append(("storage keys", keys_graph))
    opened.anomalies.extend(keys_graph.anomalies)
    try:
        if keys_graph.error is not None:
            raise keys_graph.error
        stored, stop = _locate_storages(source, main, keys_graph, limits)
    except (ContainerError, PickleError, TensorError) as error:
        error.source = error.source or source.name
        opened.error = error
        return opened
    storages = LegacyStorages(source, stored)
    opened.root = rebuild(opened, main, "object", storages.resolve, limits, blobs=blobs)
    opened.storages = storages.storages
    _note_rest(opened, storages, stored, stop)
    return opened


def blob_opener(limits: Limits, depth: int = 0) -> BlobOpener:
    """Return what reads the legacy streams inside the bytes of plain pickles."""

    def read_blob(outer: Opened, blob: bytes, offset: int) -> Value:
        if depth >= limits.max_blob_depth:
            raise too_deep(limits.max_blob_depth, depth + 1)
        source = MemorySource(blob, f"{outer.source.name}!bytes at {offset}")
        inner = read_torch_legacy(source, limits, blob_opener(limits, depth + 1))
        label = f"bytes at {offset}"
        outer.graphs.extend((f"{label}: {name}", graph) for name, graph in inner.graphs)
        outer.anomalies.extend(inner.anomalies)
        outer.storages.extend(inner.storages)
        if inner.error is not None:
            raise inner.error
        return inner.root

    return read_blob


def _read_preamble(source: ByteSource, start: int, opened: Opened, limits: Limits) -> int:
    """Check magic number, protocol version and system information; return where they end."""
    position = start
    for name in ("magic number", "protocol version", "system information"):
        graph = read_graph(source, start=position, record=None, limits=limits)
        opened.graphs.append((name, graph))
        opened.anomalies.extend(graph.anomalies)
        if graph.error is not None:
            raise ContainerError(
                f"legacy stream with a broken {name}",
                source=source.name,
                offset=graph.error.offset,
                found=str(graph.error),
            ) from graph.error
        _check_preamble(name, graph, source)
        if name == "system information":
            _note_byte_order(opened, graph)
        position = graph.stop
    return position


def _check_preamble(name: str, graph: Graph, source: ByteSource) -> None:
    wanted = {"magic number": MAGIC, "protocol version": PROTOCOL_VERSION}.get(name)
    fits = isinstance(graph.root, DictNode) if wanted is None else graph.root == wanted
    if not fits:
        raise ContainerError(
            f"legacy stream with another {name}",
            source=source.name,
            offset=graph.start,
            expected=str(wanted or "a dict"),
            found=repr(graph.root)[:80] if type(graph.root) is int else type(graph.root).__name__,
        )


def _note_byte_order(opened: Opened, graph: Graph) -> None:
    flat = graph.root.items if isinstance(graph.root, DictNode) else []
    for key, value in zip(flat[::2], flat[1::2], strict=False):
        if _is_text(key, "little_endian") and value is False:
            opened.notes.append(
                Note(
                    "legacy_big_endian_host",
                    "sys_info says the writing host was big-endian; the data is read as "
                    "little-endian, as torch reads it",
                )
            )


def _is_text(node: Node, text: str) -> bool:
    return isinstance(node, (str, ByteString)) and as_text(node) == text


def _locate_storages(
    source: ByteSource, main: Graph, keys_graph: Graph, limits: Limits
) -> tuple[dict[str, _Stored], int]:
    """Return where each storage lies, and where the stream ends.

    Raises:
        ContainerError: the list of keys is none, or the stream ends too early.
        TensorError: a key has no persistent id, so that its element size is unknown.
    """
    if not isinstance(keys_graph.root, ListNode):
        raise ContainerError(
            "legacy stream without a list of storage keys",
            offset=keys_graph.start,
            expected="a list",
            found=type(keys_graph.root).__name__,
        )
    claims = claimed_storages(main, limits)
    stored: dict[str, _Stored] = {}
    position = keys_graph.stop
    for index, node in enumerate(keys_graph.root.items):
        key = as_text(node) if isinstance(node, (str, ByteString)) else None
        claim = claims.get(key) if key is not None else None
        if key is None or claim is None or key in stored:
            raise TensorError(
                "storage key of unknown element size",
                offset=position,
                expected="a key that one persistent id names, once",
                found=repr(key),
            )
        left = len(keys_graph.root.items) - index
        stored[key] = _locate(source, position, claim, left)
        position = stored[key].offset + stored[key].nbytes
    return stored, position


def _locate(source: ByteSource, position: int, claim: StorageClaim, left: int) -> _Stored:
    if position + _COUNT.size > source.nbytes:
        raise ContainerError(
            "truncated legacy stream",
            offset=position,
            expected=f"{left} more storages",
            found="the end of the file",
        )
    (count,) = _COUNT.unpack(source.read_at(position, _COUNT.size))
    nbytes = count * (claim.dtype.itemsize if claim.dtype else 1)
    start = position + _COUNT.size
    if count < 0 or start + nbytes > source.nbytes:
        missing = start + nbytes - source.nbytes
        raise ContainerError(
            "truncated legacy stream" if count >= 0 else "storage of negative length",
            offset=position,
            expected=f"{nbytes} bytes of storage {claim.key}",
            found=f"{source.nbytes - start}, {missing} bytes short of this storage"
            if count >= 0
            else str(count),
        )
    return _Stored(start, count, nbytes)


def _note_rest(
    opened: Opened, storages: LegacyStorages, stored: dict[str, _Stored], stop: int
) -> None:
    """Say what the stream holds beyond what its object uses."""
    unused = [key for key in stored if key not in storages.keys]
    if unused and opened.error is None:
        nbytes = sum(stored[key].nbytes for key in unused)
        text = f"{len(unused)} storages ({nbytes} bytes) belong to nothing in the pickle"
        opened.notes.append(Note("storages_unreferenced", text))
    if stop < opened.source.nbytes:
        opened.anomalies.append(
            Anomaly(
                "trailing_bytes",
                f"{opened.source.nbytes - stop} bytes after the last storage",
                offset=stop,
            )
        )
        rest = WindowSource(opened.source, stop, opened.source.nbytes - stop, opened.source.name)
        if detect(rest).kind == "torch_legacy":
            text = f"another stream of torch.save begins at {stop}; as by torch.load, one is read"
            opened.notes.append(Note("second_stream", text))

"""Reads the oldest layout: a tar archive of torch before 0.1.10, with one member for each part.

Members, found by name (``sys_info`` says nothing that is needed):

``storages``
    pickle n; n times (pickle (key, location, storage class); i64 count; elements); then a pickled
    list of views (view key, key, offset, count), in elements.
``tensors``
    pickle m; m times (pickle (key, storage key, tensor class); i32 dimensions; 4 bytes of
    whatever lay there; i64 sizes; i64 strides; i64 offset).
``pickle``
    the object. Tensors and storages are persistent ids in decimal; a module class is the tuple
    (class, source file, source).

Elements are little-endian, as in the legacy stream that followed.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from converter.byteio.source import WindowSource
from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef, check_bounds
from converter.checkpoint.values import as_text
from converter.containers.tar_archive import find_last, read_tar
from converter.errors import ContainerError, FormatError, LimitError
from converter.inert.machine import read_graph
from converter.inert.nodes import ByteString, ListNode, TupleNode
from converter.readers.persistent_storages import module_class, no_blobs, storage_type
from converter.readers.pickled import read_pickled
from converter.readers.rebuild import NotThisShapeError, Rebuilder

if TYPE_CHECKING:
    from typing import NoReturn

    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import Value
    from converter.containers.records import Archive
    from converter.dtypes import DType
    from converter.inert.nodes import Graph, Node, PersistentNode
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

_MEMBERS: Final = ("storages", "tensors", "pickle")
_COUNT: Final = struct.Struct("<q")
# The 8 bytes that were written from a 4-byte field: only the first four mean anything.
_DIMS: Final = struct.Struct("<i4x")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)


class _Stream:
    """A member that is pickles and numbers in turn.

    Attributes:
        position: offset of what comes next.
    """

    def __init__(self, opened: Opened, archive: Archive, member: str, limits: Limits) -> None:
        """Start at the first byte of `member`."""
        self.position = 0
        self._opened: Final = opened
        self._data: Final = _member(opened, archive, member)
        self._member: Final = member
        self._limits: Final = limits

    def graph(self) -> Graph:
        """Return the next pickle.

        Raises:
            FormatError: it is broken.
        """
        graph = read_graph(
            self._data, start=self.position, record=self._member, limits=self._limits
        )
        self._opened.graphs.append((f"{self._member} at {self.position}", graph))
        self._opened.anomalies.extend(graph.anomalies)
        if graph.error is not None:
            raise graph.error
        self.position = graph.stop
        return graph

    def count(self, most: int, limit: str) -> int:
        """Return the next pickle, which must be a number of things."""
        graph = self.graph()
        found = graph.root
        if type(found) is not int or found < 0:
            self.refuse(graph.start, "a number of entries", found)
        if found > most:
            raise LimitError(limit, allowed=most, found=found, record=self._member)
        return found

    def items(self, count: int, what: str) -> tuple[list[Node], Rebuilder]:
        """Return the members of the next pickle, a tuple, and what knows the names in it."""
        graph = self.graph()
        root = graph.root
        if not isinstance(root, TupleNode) or len(root.items) != count:
            self.refuse(graph.start, what, root)
        return root.items, _names_only(self._member, graph, self._limits)

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Return the next numbers."""
        numbers = layout.unpack(self.take(layout.size).read_at(0, layout.size))
        return tuple(int(number) for number in numbers)

    def take(self, nbytes: int) -> ByteSource:
        """Return the next bytes without reading them, and step over them.

        Raises:
            ContainerError: the member ends before.
        """
        start, left = self.position, self._data.nbytes - self.position
        if nbytes > left:
            raise ContainerError(
                "tar member is truncated",
                source=self._opened.source.name,
                record=self._member,
                offset=start,
                expected=f"{nbytes} bytes",
                found=f"{left}, {nbytes - left} are missing",
                code="tar_truncated",
            )
        self.position += nbytes
        return WindowSource(self._data, start, nbytes, self._data.name)

    def refuse(self, offset: int, expected: str, found: object) -> NoReturn:
        """Raise the error for a pickle that holds something else."""
        raise ContainerError(
            "tar member of another form",
            source=self._opened.source.name,
            record=self._member,
            offset=offset,
            expected=expected,
            found=str(found)[:40] if type(found) is int else type(found).__name__,
        )


class TarStorages:
    """The storages and tensors of one archive, by the numbers that the pickle calls them.

    Attributes:
        storages: key → storage, views of storages included.
        tensors: key → tensor.
        roots: identity of a view → the storage it looks into.
    """

    def __init__(self, opened: Opened, archive: Archive, limits: Limits) -> None:
        """Read both members; no element is touched.

        Raises:
            FormatError: a member is missing, truncated or of another form.
        """
        self.storages: dict[int, Storage] = {}
        self.tensors: dict[int, TensorRef] = {}
        self.roots: dict[int, Storage] = {}
        self._limits: Final = limits
        self._read_storages(_Stream(opened, archive, "storages", limits))
        self._read_tensors(_Stream(opened, archive, "tensors", limits))

    def resolve(self, node: PersistentNode, rebuilder: Rebuilder) -> Value:
        """Return the tensor, storage or class that a persistent id stands for.

        Raises:
            NotThisShapeError: the id has no form that torch wrote.
            ContainerError: the archive has neither a tensor nor a storage of that number.
        """
        pid = node.pid
        if isinstance(pid, TupleNode):
            if len(pid.items) != 3:
                raise NotThisShapeError
            return module_class(pid.items, rebuilder)
        number = _number(node)
        if number is None:
            raise NotThisShapeError
        found = self.tensors.get(number) or self.storages.get(number)
        if found is None:
            raise ContainerError(
                "persistent id without a tensor or a storage",
                expected="a number of the members tensors or storages",
                found=str(number),
            )
        return found

    def _read_storages(self, stream: _Stream) -> None:
        for _ in range(stream.count(self._limits.max_tensors, "max_tensors")):
            start = stream.position
            items, names = stream.items(3, "(key, location, storage class)")
            key, location, cls = items
            place = as_text(location) if isinstance(location, (str, ByteString)) else None
            if type(key) is not int or key in self.storages or place is None:
                stream.refuse(start, "(key, location, storage class), each key once", key)
            dtype = _storage_dtype(cls, names, stream, start)
            (count,) = stream.unpack(_COUNT)
            if count < 0:
                stream.refuse(stream.position - _COUNT.size, "0 elements or more", count)
            nbytes = count * dtype.itemsize
            self.storages[key] = Storage(str(key), stream.take(nbytes), nbytes, dtype, place)
        self._read_views(stream)

    def _read_views(self, stream: _Stream) -> None:
        graph = stream.graph()
        if not isinstance(graph.root, ListNode):
            stream.refuse(graph.start, "a list of views", graph.root)
        for node in graph.root.items:
            key, root_key, offset, count = _four_integers(node)
            root = self.storages.get(root_key)
            if root is None or root.data is None or root.dtype is None:
                stream.refuse(graph.start, "(view key, key of a storage, offset, count)", node)
            start, nbytes = offset * root.dtype.itemsize, count * root.dtype.itemsize
            if key in self.storages or min(start, nbytes) < 0 or start + nbytes > root.nbytes:
                stream.refuse(graph.start, f"a view inside storage {root_key}", node)
            data = WindowSource(root.data, start, nbytes, root.data.name)
            self.storages[key] = Storage(str(key), data, nbytes, root.dtype, root.location)
            self.roots[id(self.storages[key])] = root

    def _read_tensors(self, stream: _Stream) -> None:
        for _ in range(stream.count(self._limits.max_tensors, "max_tensors")):
            start = stream.position
            (key, storage_key, _), _ = stream.items(3, "(key, storage key, tensor class)")
            (dims,) = stream.unpack(_DIMS)
            if not 0 <= dims <= self._limits.max_dims:
                stream.refuse(start, f"0 to {self._limits.max_dims} dimensions", dims)
            numbers = stream.unpack(struct.Struct(f"<{2 * dims + 1}q"))
            storage = self.storages.get(storage_key) if type(storage_key) is int else None
            if storage is None or storage.dtype is None:
                stream.refuse(start, "the key of a storage", storage_key)
            if type(key) is not int or key in self.tensors:
                stream.refuse(start, "a key of its own", key)
            shape, stride = numbers[:dims], numbers[dims:-1]
            tensor = TensorRef(storage, storage.dtype, shape, stride, numbers[-1])
            check_bounds(tensor, self._limits, f"tensors, key {key}")
            self.tensors[key] = tensor


def read_torch_tar(source: ByteSource, limits: Limits, blobs: BlobOpener) -> Opened:
    """Read a tar archive of the first releases of torch.

    Raises:
        ContainerError: it is no tar archive, or holds no such checkpoint.
    """
    archive = read_tar(source, limits)
    opened = Opened(source, "tar", writer="torch before 0.1.10", anomalies=list(archive.anomalies))
    names = {record.name for record in archive.records}
    if not names.issuperset(_MEMBERS):
        shown = ", ".join(repr(record.name[:80]) for record in archive.records[:3])
        raise ContainerError(
            "tar archive that torch did not write",
            source=source.name,
            expected="the members pickle, storages and tensors",
            found=f"files: {len(archive.records)}" + (f", first {shown}" if names else ""),
            code="tar_not_torch",
        )
    try:
        tables = TarStorages(opened, archive, limits)
    except FormatError as error:
        # The pickle must still be seen, for what it would do.
        opened.error = error
        graph = read_graph(_member(opened, archive, "pickle"), record="pickle", limits=limits)
        opened.graphs.append(("pickle", graph))
        return opened
    data = _member(opened, archive, "pickle")
    graph = read_pickled(opened, data, "pickle", tables.resolve, limits, blobs=blobs)
    if graph.stop < data.nbytes and graph.error is None:
        text = f"{data.nbytes - graph.stop} bytes of the member pickle follow its end"
        opened.notes.append(Note("bytes_after_pickle", text))
    opened.storages = list(tables.storages.values())
    _note_unreferenced(opened, graph, tables)
    return opened


def _member(opened: Opened, archive: Archive, name: str) -> ByteSource:
    record = find_last(archive, name)
    if record is None:
        raise ContainerError(
            "tar member is missing", source=opened.source.name, expected=name, found="none"
        )
    return record.data


def _names_only(member: str, graph: Graph, limits: Limits) -> Rebuilder:
    """Return a rebuilder that is asked for names alone."""
    return Rebuilder(
        record=member,
        protocol=graph.protocol,
        builders={},
        names={},
        resolve=_refuse_id,
        read_blob=no_blobs,
        limits=limits,
    )


def _refuse_id(_: PersistentNode, __: Rebuilder) -> Value:
    raise NotThisShapeError


def _storage_dtype(node: Node, names: Rebuilder, stream: _Stream, offset: int) -> DType:
    try:
        dtype = storage_type(node, names)
    except NotThisShapeError:
        dtype = None
    if dtype is None:
        stream.refuse(offset, "a storage class of torch", node)
    return dtype


def _four_integers(node: Node) -> list[int]:
    """Return the members of a tuple of four integers; numbers that fit nothing for another node."""
    items = node.items if isinstance(node, TupleNode) else []
    numbers = [item for item in items if type(item) is int]
    return numbers if len(numbers) == len(items) == 4 else [-1] * 4


def _number(node: PersistentNode) -> int | None:
    """Return the number that a persistent id is, as a number or in decimal, or None."""
    pid = node.pid
    if isinstance(pid, (str, ByteString)):
        text = as_text(pid) or ""
        return int(text) if _DECIMAL.fullmatch(text) else None
    return pid if type(pid) is int else None


def _note_unreferenced(opened: Opened, graph: Graph, tables: TarStorages) -> None:
    """Count the storages that neither the object nor a tensor of it uses."""
    used: set[int] = set()
    for node in graph.persistent:
        number = _number(node)
        if number is not None:
            tensor = tables.tensors.get(number)
            found = tensor.storage if tensor is not None else tables.storages.get(number)
            used |= {id(found), id(tables.roots.get(id(found)))}
    unused = [storage for storage in tables.storages.values() if id(storage) not in used]
    if unused and opened.error is None:
        nbytes = sum(storage.nbytes for storage in unused)
        text = f"{len(unused)} storages ({nbytes} bytes) belong to nothing in the pickle"
        opened.notes.append(Note("storages_unreferenced", text))

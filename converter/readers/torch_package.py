"""Reads what torch.package writes: pickles by package and resource, sources, shared storages.

Layout: ``R/<package>/<resource>`` for pickles, texts and bytes, ``R/<module>.py`` for sources,
``R/.data/<number>.storage`` for the storages of all pickles, ``R/.data/extern_modules`` and
``R/.data/python_version``. A persistent id names a storage by its number, or a call that the
importer would make: for a scripted module one with the number of its folder
``R/.data/ts_code/<number>/``, whose class texts are in ``R/.data/ts_code/code/``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.values import InertValue, MappingValue, SequenceValue, Value, as_text
from converter.errors import DepickleError, FormatError
from converter.inert.nodes import Node, PersistentNode, TupleNode
from converter.readers.rebuild.rebuilder import NotThisShapeError
from converter.readers.record_storages import RecordStorages, is_big_endian, note_unreferenced
from converter.readers.record_values import (
    keep_error,
    listed,
    pickle_of_record,
    small_record,
    small_values,
    text_or_bytes,
)
from converter.readers.torchscript import ScriptPlaces, script_parts_at, script_value

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.checkpoint.storage import Storage
    from converter.containers.records import Archive, Record
    from converter.limits import Limits
    from converter.readers.persistent_storages import StorageClaim
    from converter.readers.pickled import BlobOpener
    from converter.readers.rebuild.rebuilder import Rebuilder

_SCRIPTED: Final = ("torch.jit._script", "unpackage_script_module")
_SUFFIX: Final = ".storage"
_SCRIPT_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
# PROTO of the protocols that torch.package can be told to use.
_PICKLE_HEADS: Final = frozenset(bytes([0x80, protocol]) for protocol in range(2, 6))
_PICKLE_ENDINGS: Final = (".pkl", ".pickle")
_BOOKKEEPING: Final = frozenset({"version", "byteorder", ".data/version", ".data/serialization_id"})
_FACTS: Final = (".data/extern_modules", ".data/python_version")
_KNOWN: Final = _BOOKKEEPING.union(_FACTS)
# Longer lists of modules are kept as one text.
_MAX_LIST_CHARS: Final = 1 << 20


class PackageStorages(RecordStorages):
    """The storages that all pickles of a package share; pickles of Python leave the suffix out."""

    def storage(self, claim: StorageClaim, offset: int, rebuilder: Rebuilder) -> Storage:
        """Return the one storage object for equal claims."""
        key = claim.key if claim.key.endswith(_SUFFIX) else claim.key + _SUFFIX
        return super().storage(claim._replace(key=key), offset, rebuilder)


class _Package:
    """One package being read: resolves persistent ids, remembers scripted modules."""

    def __init__(self, opened: Opened, archive: Archive, limits: Limits, blobs: BlobOpener) -> None:
        self.root: Final = archive.root
        big_endian = is_big_endian(archive, self.root, limits)
        self.storages: Final = PackageStorages(
            archive, (f"{self.root}/.data/",), big_endian=big_endian
        )
        self._opened: Final = opened
        self._archive: Final = archive
        self._limits: Final = limits
        self._blobs: Final = blobs
        self._scripts: dict[str, Value] = {}
        self._calls: dict[int, InertValue] = {}

    def value_of(self, record: Record) -> Value:
        """Return the value of a pickled resource."""
        return pickle_of_record(self._opened, record, self.resolve, self._limits, self._blobs)

    def resolve(self, node: PersistentNode, rebuilder: Rebuilder) -> Value:
        """Return a storage, a scripted module, or a call of the importer's as an inert record.

        Raises:
            NotThisShapeError: the id has no form that torch.package writes.
            TensorError: the storage is missing or too short.
        """
        pid = node.pid
        if not isinstance(pid, TupleNode) or len(pid.items) != 4 or _text(pid, 0) is None:
            return self.storages.resolve(node, rebuilder)
        if _text(pid, 0) != "reduce_package":
            return self.storages.resolve(node, rebuilder)
        _, identity, func, args = pid.items
        name = rebuilder.name_of(func)
        if name is None or type(identity) is not int or not isinstance(args, TupleNode):
            raise NotThisShapeError
        if name == _SCRIPTED:
            return self._script(_text(args, 0))
        return self._call(identity, ".".join(name), args, rebuilder)

    def _script(self, number: str | None) -> Value:
        if number is None or not _SCRIPT_NUMBER.fullmatch(number):
            raise NotThisShapeError
        if number not in self._scripts:
            folder = f"{self.root}/.data/ts_code/"
            places = ScriptPlaces(
                f"{folder}{number}/", f"{folder}code/", self.storages, self.storages
            )
            parts, constants = script_parts_at(
                self._opened, self._archive, places, self._limits, self._blobs
            )
            nothing = MappingValue("dict")
            self._scripts[number] = script_value(parts, constants, self._limits, nothing)
        return self._scripts[number]

    def _call(self, identity: int, name: str, args: TupleNode, rebuilder: Rebuilder) -> InertValue:
        """Return what a class's own ``__reduce_package__`` asked for: once for each object."""
        if identity in self._calls:
            return self._calls[identity]
        value = InertValue(name, "PERSISTENT")
        self._calls[identity] = value

        def fill(shell: Value, node: Node) -> None:
            if isinstance(shell, InertValue) and isinstance(node, TupleNode):
                shell.args.extend(map(rebuilder.convert, node.items))

        rebuilder.defer(fill, value, args)
        return value


def _text(node: TupleNode, index: int) -> str | None:
    item = node.items[index] if index < len(node.items) else None
    return as_text(item) if isinstance(item, (str, bytes)) else None


def read_torch_package(
    source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener
) -> Opened:
    """Read an archive of torch.package: a dict of resource path to value.

    A resource that cannot be read is left out, and `Opened.error` says why.
    """
    opened = Opened(
        source, "zip", writer="torch.package, 1.8 or later", anomalies=list(archive.anomalies)
    )
    package = _Package(opened, archive, limits, blobs)
    sources: list[str] = []
    others: list[tuple[str, Record]] = []
    entries: list[tuple[Value, Value]] = []
    for record in archive.records:
        name = record.name.removeprefix(f"{package.root}/")
        if record.is_folder or name.startswith(".data/") or name in _BOOKKEEPING:
            continue
        if name.endswith(".py"):
            sources.append(name)
        elif _is_pickle(record, name):
            entries.append((name, package.value_of(record)))
        else:
            others.append((name, record))
    entries += small_values(opened, others, "resources_not_kept", limits)
    entries += _facts(opened, archive, package.root, limits)
    if sources:
        entries.append(("python_sources", SequenceValue("list", list(sources))))
    opened.root = MappingValue("dict", entries)
    opened.storages = package.storages.storages
    _note_rest(opened, archive, package)
    return opened


def _is_pickle(record: Record, name: str) -> bool:
    """Return whether a resource is a pickle: by its ending, or by its first and last bytes."""
    if name.endswith(_PICKLE_ENDINGS):
        return True
    if record.nbytes < 3 or record.problem is not None:
        return False
    try:
        head = record.data.read_at(0, 2)
        last = record.data.read_at(record.nbytes - 1, 1) if head in _PICKLE_HEADS else b""
    except DepickleError:
        return False
    return last == b"."


def _facts(
    opened: Opened, archive: Archive, root: str, limits: Limits
) -> list[tuple[Value, Value]]:
    """Return what the package says about itself: modules it expects to find, Python's version."""
    entries: list[tuple[Value, Value]] = []
    for name in _FACTS:
        record = archive.find_folded(f"{root}/{name}")
        if record is None:
            continue
        try:
            text = text_or_bytes(small_record(record, limits))
        except FormatError as error:
            keep_error(opened, error)
            continue
        value: Value = text
        if name == _FACTS[0] and isinstance(text, str) and len(text) <= _MAX_LIST_CHARS:
            value = SequenceValue("list", list(text.splitlines()))
        entries.append((name, value))
    return entries


def _note_rest(opened: Opened, archive: Archive, package: _Package) -> None:
    """List storages that nothing names, and records below ``.data`` that were not read."""
    folder = f"{package.root}/.data/"
    stored = []
    unread = []
    read = {name for name, _ in opened.graphs}
    for record in archive.records:
        name = record.name.removeprefix(folder)
        if name == record.name or record.is_folder or record.name in read:
            continue
        if name.endswith(_SUFFIX):
            stored.append(record)
        elif not name.startswith("ts_code/code/") and f".data/{name}" not in _KNOWN:
            unread.append(f".data/{name}")
    note_unreferenced(opened, stored, package.storages.used)
    if unread:
        opened.notes.append(Note("records_unread", f"of unknown meaning: {listed(unread)}"))

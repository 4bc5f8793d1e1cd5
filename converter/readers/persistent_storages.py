"""Persistent ids of torch files: which storage, or which class, a pickle means by one.

zip and torch.package: ``('storage', class, key, location, numel)``; torch 1.4 and legacy streams
add ``view_metadata``. Legacy streams also name module classes with their source:
``('module', class, source_file, source)``.

Protocol 0 can only write text, so there an id is what Python shows of the tuple::

    ('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 6)

torch itself cannot read that back; the text of exactly that shape says all that is needed.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.checkpoint.storage import Storage
from converter.checkpoint.values import GlobalValue, Value, as_text
from converter.dtypes import BY_STORAGE_CLASS, UNTYPED_STORAGE_CLASSES, DType
from converter.errors import LimitError, TensorError
from converter.inert.nodes import ByteString, GlobalNode, Node, PersistentNode, TupleNode
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder

if TYPE_CHECKING:
    from converter.inert.nodes import Graph
    from converter.limits import Limits

# The text of a storage's id: class, key, location, numel, and what legacy streams add.
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_TEXT_ID: Final = re.compile(
    rf"\('storage', <class '({_NAME}(?:\.{_NAME})*)\.({_NAME})'>, '([^'\\]*)', '([^'\\]*)', "
    rf"([0-9]{{1,19}})L?(, None)?\)",
    re.ASCII,
)


class StorageClaim(NamedTuple):
    """What a persistent id says about a storage.

    Attributes:
        key: its name in the container.
        dtype: element type; None for untyped storages.
        location: where it lived.
        numel: elements, or bytes for untyped storages.
        nbytes: what that makes in bytes.
        view: (key, offset, numel) of a slice of the storage in elements, in old legacy streams.
    """

    key: str
    dtype: DType | None
    location: str
    numel: int
    nbytes: int
    view: tuple[str, int, int] | None = None


class PersistentStorages(ABC):
    """Resolves persistent ids against the storages of one container."""

    def __init__(self) -> None:
        """Start without storages."""
        # By key alone where the first claim on it is plain and good, else by all of a claim. A
        # look into a table of 100,000 texts costs as much as ten steps of Python, for every text
        # on the way is fetched from memory: so there is one table, and a small one beside it.
        self._storages: dict[object, Storage] = {}
        # Class of the first claim on a key, where that was for a view, or found nothing.
        self._other_keys: dict[str, str | None] = {}
        self._dtypes: dict[Node, DType] = {}

    @abstractmethod
    def find(self, claim: StorageClaim, rebuilder: Rebuilder) -> Storage:
        """Return the storage of a claim, checked against the container.

        Raises:
            TensorError: the container holds no such storage, or one of another length.
        """

    @property
    def storages(self) -> list[Storage]:
        """Return what was resolved so far, in order of first use."""
        return list(self._storages.values())

    @property
    def keys(self) -> frozenset[str]:
        """Return the keys that were resolved so far."""
        return frozenset(key for key in self._storages if type(key) is str) | set(self._other_keys)

    def resolve(self, node: PersistentNode, rebuilder: Rebuilder) -> Value:
        """Return the storage or class a persistent id stands for.

        Raises:
            NotThisShapeError: the id has no form that torch writes.
            TensorError: the storage is missing or has another length.
        """
        pid = node.pid
        if type(pid) is TupleNode and len(pid.items) == 5:
            # A pickle names a class once and then refers to it: where the node was met before, all
            # that `claim_of` has to say of nearly every id can be said here.
            tag, storage_class, key, location, numel = pid.items
            dtype = self._dtypes.get(storage_class) if type(storage_class) is GlobalNode else None
            if (
                dtype is not None
                and type(tag) is type(key) is type(location) is str
                and tag == "storage"
                and type(numel) is int
                and numel >= 0
            ):
                claim = StorageClaim(key, dtype, location, numel, numel * dtype.itemsize)
                return self.storage(claim, node.offset, rebuilder)
        items = pid_items(node)
        tag = as_text(items[0]) if isinstance(items[0], (str, ByteString)) else None
        if tag == "module" and len(items) == 4:
            return module_class(items[1:], rebuilder)
        if tag != "storage" or len(items) not in (5, 6):
            raise NotThisShapeError
        claim = claim_of(items, rebuilder)
        if claim.dtype is not None and type(items[1]) is GlobalNode:
            self._dtypes[items[1]] = claim.dtype
        return self.storage(claim, node.offset, rebuilder)

    def storage(self, claim: StorageClaim, offset: int, rebuilder: Rebuilder) -> Storage:
        """Return the one storage object for equal claims."""
        key, dtype, _, _, _, view = claim
        class_key = None if dtype is None else dtype.name
        known = self._storages.get(key)
        if known is None and view is None and key not in self._other_keys:
            try:
                found = self._storages[key] = self.find(claim, rebuilder)
            except Exception:
                self._other_keys[key] = class_key
                raise
            return found
        if known is not None:
            first = None if known.dtype is None else known.dtype.name
            if view is None and first == class_key:
                return known
        else:
            first = self._other_keys.setdefault(key, class_key)
        identity = (key, class_key, view)
        known = self._storages.get(identity)
        if known is not None:
            return known
        if first != class_key:
            rebuilder.observe(
                "storage_of_two_types",
                f"storage {key} is used as {first or 'untyped'} and {class_key or 'untyped'}",
                offset,
            )
        found = self._storages[identity] = self.find(claim, rebuilder)
        return found


def pid_items(node: PersistentNode) -> list[Node]:
    """Return the items of the tuple that a persistent id is, or that its text shows.

    Raises:
        NotThisShapeError: it is no such tuple.
    """
    pid = node.pid
    if isinstance(pid, TupleNode) and pid.items:
        return pid.items
    match = _TEXT_ID.fullmatch(pid) if type(pid) is str else None
    if match is None:
        raise NotThisShapeError
    module, name, key, location, numel, view = match.groups()
    storage_class = GlobalNode(node.offset, module, name)
    items: list[Node] = ["storage", storage_class, key, location, int(numel)]
    return [*items, None] if view else items


def claimed_storages(graph: Graph, limits: Limits) -> dict[str, StorageClaim]:
    """Return the first claim on each storage that the persistent ids of a pickle name."""
    names_only = Rebuilder(
        record="pickle",
        protocol=graph.protocol,
        builders={},
        names={},
        resolve=_refuse_id,
        read_blob=no_blobs,
        limits=limits,
    )
    claims: dict[str, StorageClaim] = {}
    for node in graph.persistent:
        try:
            items = pid_items(node)
            if len(items) in (5, 6) and items[0] in ("storage", b"storage"):
                claim = claim_of(items, names_only)
                claims.setdefault(claim.key, claim)
        except (NotThisShapeError, TensorError):
            continue
    return claims


def _refuse_id(_: PersistentNode, __: Rebuilder) -> Value:
    raise NotThisShapeError


def module_class(items: list[Node], rebuilder: Rebuilder) -> GlobalValue:
    """Return the class of a legacy module id: (class, source file, source text)."""
    name = rebuilder.name_of(items[0])
    if name is None:
        raise NotThisShapeError
    texts = [as_text(item) if isinstance(item, (str, ByteString)) else None for item in items[1:]]
    return GlobalValue(*name, source_file=texts[0], source=texts[1])


def storage_type(node: Node, rebuilder: Rebuilder) -> DType | None:
    """Return the dtype of a storage class; None for an untyped one.

    Raises:
        NotThisShapeError: the node names no storage class.
    """
    name = rebuilder.name_of(node)
    # torch maps any module's "…Storage" names; only its own modules write them.
    if name is None or not (name[0] == "torch" or name[0].startswith("torch.")):
        raise NotThisShapeError
    if name[1] in UNTYPED_STORAGE_CLASSES:
        return None
    dtype = BY_STORAGE_CLASS.get(name[1])
    if dtype is None:
        raise NotThisShapeError
    return dtype


def claim_of(items: list[Node], rebuilder: Rebuilder) -> StorageClaim:
    """Return what a ``('storage', …)`` id claims.

    Raises:
        NotThisShapeError: an item has another type than torch writes.
        TensorError: the number of elements is negative.
    """
    dtype = storage_type(items[1], rebuilder)
    key, location, numel = items[2], items[3], items[4]
    name = str(key) if type(key) is int else _text(key)
    if type(numel) is not int:
        raise NotThisShapeError
    if numel < 0:
        raise TensorError(
            "storage of negative length", expected="0 elements or more", found=str(numel)
        )
    view = _view(items[5]) if len(items) == 6 and items[5] is not None else None
    nbytes = numel * (dtype.itemsize if dtype else 1)
    return StorageClaim(name, dtype, _text(location), numel, nbytes, view)


def _text(node: Node) -> str:
    if type(node) is str:
        return node
    text = as_text(node) if isinstance(node, (str, ByteString)) else None
    if text is None:
        raise NotThisShapeError
    return text


def _view(node: Node) -> tuple[str, int, int]:
    items = node.items if isinstance(node, TupleNode) else []
    if len(items) != 3:
        raise NotThisShapeError
    key, offset, numel = items
    if type(offset) is not int or type(numel) is not int:
        raise NotThisShapeError
    return (_text(key), offset, numel)


def no_blobs(_: bytes, __: int) -> Value:
    """Refuse the legacy streams inside bytes where none may stand."""
    raise NotThisShapeError


def too_deep(limit: int, found: int) -> LimitError:
    """Return the error for legacy streams nested in each other's bytes."""
    return LimitError("max_blob_depth", allowed=limit, found=found)

"""What a tree of values holds more than once: objects by identity, long texts by content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.inert.nodes import ATOMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Texts and bytes from this length up, and integers of as many bytes, are written once.
MIN_SHARED_LENGTH: Final = 200

Atom: TypeAlias = int | str | bytes
"""A plain value that can be long."""

AtomKey: TypeAlias = tuple[type, Atom]
"""Type and content of a plain value: b"1" of a Python 2 string is another than b"1" of bytes."""


def find_shared(roots: Iterable[Value]) -> tuple[set[int], set[AtomKey]]:
    """Return the ids of the values that are referred to twice, and the long atoms that repeat.

    Identity is what Python says of the objects; atoms have none, and repeat by type and content.
    """
    seen: set[int] = set()
    shared: set[int] = set()
    atoms: set[AtomKey] = set()
    repeated: set[AtomKey] = set()
    stack = list(roots)
    while stack:
        value = stack.pop()
        kind = type(value)
        if kind is str and len(value) < MIN_SHARED_LENGTH:  # type: ignore[arg-type]
            continue  # most of what there is
        if kind in ATOMS:
            atom = long_atom_key(value)
            if atom is not None:
                (repeated if atom in atoms else atoms).add(atom)
        elif id(value) in seen:
            shared.add(id(value))
        else:
            seen.add(id(value))
            if not (kind is Storage and _has_short_texts(value)):  # type: ignore[arg-type]
                stack += contents(value)
    return shared, repeated


def find_tensors(roots: Iterable[Value]) -> list[TensorRef | Storage]:
    """Return every tensor of some trees, and every storage that stands there by itself, once each.

    Those inside the attributes of tensors are among them.
    """
    found: dict[int, TensorRef | Storage] = {}
    seen: set[int] = set()
    stack = list(roots)
    stack.reverse()
    while stack:
        value = stack.pop()
        if type(value) in ATOMS or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, TensorRef):
            found[id(value)] = value
            stack.append(value.attributes)
        elif isinstance(value, Storage):
            found[id(value)] = value
        else:
            stack += reversed(contents(value))
    return list(found.values())


def _has_short_texts(storage: Storage) -> bool:
    return len(storage.key) < MIN_SHARED_LENGTH and len(storage.location) < MIN_SHARED_LENGTH


def long_atom_key(value: Value) -> AtomKey | None:
    """Return the key of a plain value that is long enough to be written once, else None."""
    if isinstance(value, (str, bytes)):
        return (type(value), value) if len(value) >= MIN_SHARED_LENGTH else None
    if type(value) is int and value.bit_length() >= MIN_SHARED_LENGTH * 8:
        return (int, value)
    return None


def contents(value: Value) -> list[Value]:
    """Return everything that is directly inside a value, its texts included, without labels."""
    read = _CONTENTS.get(type(value))
    return [] if read is None else read(value)


def _mapping_contents(value: MappingValue) -> list[Value]:
    inside: list[Value] = [value.factory, value.attributes]
    for entry in value.entries:
        inside += entry
    return inside


def _array_contents(value: ArrayValue) -> list[Value]:
    inside: list[Value] = [value.dtype, value.class_name]
    if isinstance(value.data, list):
        return inside + value.data
    return [*inside, value.data]


def _object_contents(value: InertValue) -> list[Value]:
    inside = [value.class_name, value.func, value.kwargs]
    inside += value.args
    inside += value.states
    for entry in value.entries:
        inside += entry
    return inside + value.appended


def _composite_contents(value: CompositeTensor) -> list[Value]:
    inside: list[Value] = [value.class_name]
    for entry in value.parts + value.facts:
        inside += entry
    return inside


_CONTENTS: Final[dict[type, Callable[..., list[Value]]]] = {
    SequenceValue: lambda value: value.items,
    MappingValue: _mapping_contents,
    PlainValue: lambda value: list(value.fields),
    GlobalValue: lambda value: [value.module, value.name, value.source_file, value.source],
    ArrayValue: _array_contents,
    InertValue: _object_contents,
    CompositeTensor: _composite_contents,
    TensorRef: lambda value: [value.class_name, value.attributes, value.storage],
    Storage: lambda value: [value.key, value.location],
}

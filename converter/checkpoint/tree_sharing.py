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


def find_shared(roots: Iterable[Value]) -> tuple[set[Value], set[AtomKey]]:
    """Return the values that are referred to twice, and the long atoms that repeat.

    Identity is what Python says of the objects, which have no other equality; atoms have none, and
    repeat by type and content. Tensors with nothing long about them are not told: they have
    numbers, and are referred to by those anyway.
    """
    seen: set[Value] = set()
    shared: set[Value] = set()
    atoms: set[AtomKey] = set()
    repeated: set[AtomKey] = set()
    stack = list(roots)
    while stack:
        value = stack.pop()
        kind = type(value)
        if kind is str and len(value) < MIN_SHARED_LENGTH:  # type: ignore[arg-type]
            continue
        if kind is TensorRef and _is_brief(value):  # type: ignore[arg-type]
            continue  # these two are most of what there is
        if kind in ATOMS:
            atom = long_atom_key(value)
            if atom is not None:
                (repeated if atom in atoms else atoms).add(atom)
        elif value in seen:
            shared.add(value)
        else:
            seen.add(value)
            stack += contents(value)
    return shared, repeated


def find_tensors(roots: Iterable[Value]) -> list[TensorRef | Storage]:
    """Return every tensor of some trees, and every storage that stands there by itself, once each.

    Those inside the attributes of tensors are among them.
    """
    found: dict[TensorRef | Storage, None] = {}
    seen: set[Value] = set()
    stack = list(roots)
    stack.reverse()
    while stack:
        value = stack.pop()
        if type(value) in ATOMS:
            continue
        if isinstance(value, (TensorRef, Storage)):
            if value not in found:
                found[value] = None
                if isinstance(value, TensorRef) and value.attributes is not None:
                    stack.append(value.attributes)
        elif value not in seen:
            seen.add(value)
            stack += reversed(contents(value))
    return list(found)


def _is_brief(tensor: TensorRef) -> bool:
    """Return whether nothing that a tensor holds could be shared or long."""
    storage = tensor.storage
    return (
        tensor.attributes is None
        and len(tensor.class_name) < MIN_SHARED_LENGTH
        and len(storage.key) < MIN_SHARED_LENGTH
        and len(storage.location) < MIN_SHARED_LENGTH
    )


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

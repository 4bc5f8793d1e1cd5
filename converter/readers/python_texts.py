"""Turns small values of the tree back into what Python would print for them."""

from __future__ import annotations

from typing import Final

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
    as_text,
    is_atom,
)
from converter.inert.nodes import ByteString

_MAX_NESTING: Final = 16
_MAX_ITEMS: Final = 1_000
_MAX_BITS: Final = 4_096


class Verbatim:
    """Something whose ``str`` and ``repr`` are a given text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        """Print as `text`."""
        self.text: Final = text

    def __repr__(self) -> str:
        """Return the text."""
        return self.text

    def __eq__(self, other: object) -> bool:
        """Return whether the other one prints the same."""
        return isinstance(other, Verbatim) and self.text == other.text

    def __hash__(self) -> int:
        """Return a hash of the text."""
        return hash(self.text)


def printable(text: str) -> str:
    """Return a text with what is no printable character escaped as in ``repr``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def python_value(value: Value, nesting: int = 0) -> object:
    """Return a value that prints as the original would: itself, or a `Verbatim`.

    Only plain immutable values, tuples, lists and dicts of such are made; nothing of the file's
    own classes. Large and deep values are cut short.
    """
    if is_atom(value):
        return _atom(value)
    if nesting >= _MAX_NESTING:
        return Verbatim("...")
    if isinstance(value, SequenceValue):
        return _sequence(value, nesting)
    if isinstance(value, MappingValue):
        return _mapping(value, nesting)
    return Verbatim(_text(value))


def _atom(value: Value) -> object:
    if type(value) is ByteString:
        return as_text(value)
    if type(value) is int and value.bit_length() > _MAX_BITS:
        return Verbatim("<a large int>")
    return value


def _sequence(value: SequenceValue, nesting: int) -> object:
    items = [python_value(item, nesting + 1) for item in value.items[:_MAX_ITEMS]]
    if len(value.items) > _MAX_ITEMS:
        items.append(Verbatim("..."))
    if value.kind == "tuple":
        return tuple(items)
    if value.kind == "torch.Size":
        return Verbatim(f"torch.Size({items!r})")
    if value.kind == "list":
        return items
    inner = ", ".join(map(repr, items))
    return Verbatim(f"{{{inner}}}" if value.kind == "set" else f"{value.kind}({items!r})")


def _mapping(value: MappingValue, nesting: int) -> object:
    shown = [
        (python_value(key, nesting + 1), python_value(item, nesting + 1))
        for key, item in value.entries[:_MAX_ITEMS]
    ]
    inner = ", ".join(f"{key!r}: {item!r}" for key, item in shown)
    if len(value.entries) > _MAX_ITEMS:
        inner += ", ..."
    braces = f"{{{inner}}}"
    if value.kind == "dict":
        return Verbatim(braces)
    return Verbatim(f"{value.kind}({braces})" if shown else f"{value.kind}()")


def _text(value: Value) -> str:
    if isinstance(value, PlainValue):
        return _plain_text(value)
    if isinstance(value, GlobalValue):
        return f"<{printable(value.full_name)}>"
    if isinstance(value, InertValue):
        return f"{printable(value.class_name)}(...)"
    if isinstance(value, (TensorRef, CompositeTensor)):
        return "tensor(...)"
    if isinstance(value, ArrayValue):
        return "array(...)"
    return f"<{type(value).__name__}>"


def _plain_text(value: PlainValue) -> str:
    fields = [python_value(item, _MAX_NESTING - 2) for item in value.fields]
    if value.kind in ("torch.dtype", "torch.qscheme", "torch.layout") and fields:
        return f"torch.{printable(str(fields[0]))}"
    if value.kind == "torch.device" and fields:
        kind, _, index = str(fields[0]).partition(":")
        index = index or (str(fields[1]) if len(fields) > 1 else "")
        return f"device(type={kind!r}, index={index})" if index else f"device(type={kind!r})"
    if value.kind == "Ellipsis":
        return "Ellipsis"
    inner = ", ".join(map(repr, fields))
    return f"{value.kind}({inner})"

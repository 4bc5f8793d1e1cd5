"""Parses the header of a .npy file: a Python literal, read without Python's own parser.

numpy/lib/format.py writes ``{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`` and reads
it back with ``ast.literal_eval``. What can stand there is text, integers (Python 2 put an L behind
long ones), True, False, None, tuples, lists and dicts; nesting is bounded, and nothing else is
taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

from converter.checkpoint.values import MappingValue, PlainValue, SequenceValue
from converter.errors import ContainerError
from converter.readers.rebuild.numpy_values import DTYPE_KIND

if TYPE_CHECKING:
    from converter.checkpoint.values import Value

Literal: TypeAlias = (
    "str | int | bool | list[Literal] | tuple[Literal, ...] | dict[str, Literal] | None"
)

MAX_DEPTH: Final = 32
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<mark>[][(){},:])|(?P<number>-?[0-9]{1,30})L?|(?P<word>True|False|None)\b"
    r"|[bBuU]?(?:'(?P<single>(?:[^'\\\n]|\\.)*)'|\"(?P<double>(?:[^\"\\\n]|\\.)*)\")|(?P<end>\Z))"
)
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})|(.))"
)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_WORDS: Final = {"True": True, "False": False, "None": None}
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}

# '<f4', '|V20', '<M8[25s]'; numpy calls the byte order of single bytes '|'.
_DESCR: Final = re.compile(r"([<>|=]?)([a-zA-Z?])([0-9]{0,9})(?:\[([0-9]{0,9})([A-Za-z]{1,7})\])?")
# PyArray_Descr.flags: of text, of objects, of structures, and what those take from their fields.
_TEXT_FLAGS: Final = 8
_OBJECT_FLAGS: Final = 63
_STRUCTURE_FLAGS: Final = 16
_INHERITED_FLAGS: Final = 0x1B


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What a .npy header says.

    Attributes:
        description: the inert dtype, in the form that a pickled dtype has.
        shape: sizes.
        fortran: whether the elements are in column-major order.
    """

    description: PlainValue
    shape: tuple[int, ...]
    fortran: bool


def parse_header(text: str, where: str) -> NpyHeader:
    """Return what the text of a header says.

    Raises:
        ContainerError: it is no dict with descr, fortran_order and shape of the right types.
    """
    literal = _Parser(text, where).parse()
    if not isinstance(literal, dict) or literal.keys() != {"descr", "fortran_order", "shape"}:
        refuse(where, "a dict with descr, fortran_order and shape", text)
    shape, fortran = literal["shape"], literal["fortran_order"]
    if not isinstance(shape, tuple) or type(fortran) is not bool:
        refuse(where, "a tuple of sizes and a bool", text)
    sizes = [size for size in shape if type(size) is int and size >= 0]
    if len(sizes) != len(shape):
        refuse(where, "sizes from 0 up", str(shape))
    element = _element(literal["descr"], where, MAX_DEPTH)
    return NpyHeader(element.description, tuple(sizes), fortran)


def refuse(where: str, expected: str, found: str) -> NoReturn:
    """Raise the error for a header of another form."""
    raise ContainerError(
        "npy header is malformed",
        source=where,
        expected=expected,
        found=repr(found.strip()[:80]),
        code="npy_damaged",
    )


class _Parser:
    """Reads one literal; recursion goes no deeper than `MAX_DEPTH`."""

    def __init__(self, text: str, where: str) -> None:
        self._text: Final = text
        self._where: Final = where
        self._position = 0

    def parse(self) -> Literal:
        """Return the literal that the whole text is."""
        literal = self._value(self._next(), MAX_DEPTH)
        if self._next()["end"] is None:
            refuse(self._where, "nothing behind the literal", self._text[self._position :])
        return literal

    def _next(self) -> re.Match[str]:
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            refuse(self._where, "a literal", self._text[self._position :])
        self._position = match.end()
        return match

    def _value(self, token: re.Match[str], depth: int) -> Literal:
        kind = token.lastgroup
        if kind == "number":
            return int(token["number"])
        if kind == "word":
            return _WORDS[token["word"]]
        if kind in ("single", "double"):
            return _ESCAPE.sub(_unescape, token[kind])
        mark = token["mark"]
        if mark not in _CLOSING or depth == 0:
            refuse(self._where, "a literal of bounded depth", token[0])
        if mark == "{":
            return self._dict(depth - 1)
        items, comma = self._items(_CLOSING[mark], depth - 1)
        if mark == "[":
            return items
        return tuple(items) if comma or len(items) != 1 else items[0]

    def _items(self, closing: str, depth: int) -> tuple[list[Literal], bool]:
        """Return the members up to the closing mark, and whether a comma stands among them."""
        items: list[Literal] = []
        comma = True
        token = self._next()
        while token["mark"] != closing:
            if not comma:
                refuse(self._where, f"a comma or {closing}", token[0])
            items.append(self._value(token, depth))
            token = self._next()
            comma = token["mark"] == ","
            if comma:
                token = self._next()
        return items, comma or len(items) > 1

    def _dict(self, depth: int) -> dict[str, Literal]:
        found: dict[str, Literal] = {}
        token = self._next()
        while token["mark"] != "}":
            key = self._value(token, depth)
            if not isinstance(key, str) or key in found or self._next()["mark"] != ":":
                refuse(self._where, "a text key, once, and a colon", str(key))
            found[key] = self._value(self._next(), depth)
            token = self._next()
            if token["mark"] == ",":
                token = self._next()
            elif token["mark"] != "}":
                refuse(self._where, "a comma or }", token[0])
        return found


def _unescape(match: re.Match[str]) -> str:
    short, four, eight, character = match.groups()
    digits = short or four or eight
    if digits:
        return chr(int(digits, 16))
    return _ESCAPED.get(character, match[0])


class _Element(NamedTuple):
    """A dtype, and what a structure around it needs to know.

    Attributes:
        description: the inert dtype.
        nbytes: bytes of one element.
        alignment: of one element in memory, in bytes.
        flags: PyArray_Descr.flags.
    """

    description: PlainValue
    nbytes: int
    alignment: int
    flags: int


def _element(descr: Literal, where: str, depth: int) -> _Element:
    """Return a dtype as a pickle would describe it.

    Raises:
        ContainerError: it is none.
    """
    if isinstance(descr, str):
        return _simple(descr, where)
    if isinstance(descr, tuple) and len(descr) == 2 and depth:
        return _subarray(descr[0], descr[1], where, depth - 1)
    if isinstance(descr, list) and depth:
        return _structure(descr, where, depth - 1)
    refuse(where, "a dtype", str(descr))


def _simple(descr: str, where: str) -> _Element:
    match = _DESCR.fullmatch(descr)
    if match is None:
        refuse(where, "a dtype", descr)
    order, kind, digits, step, unit = match.groups()
    if kind == "O":
        return _Element(_dtype("O8", "|", flags=_OBJECT_FLAGS), 8, 8, _OBJECT_FLAGS)
    nbytes = int(digits or 0)
    if kind == "?":
        kind, nbytes = "b", 1
    if kind in "SVa":
        code = "S" if kind == "a" else kind
        return _Element(_dtype(f"{code}{nbytes}", "|", size=(nbytes, 1)), nbytes, 1, 0)
    if kind == "U":
        size = (4 * nbytes, 4)
        text = _dtype(f"U{nbytes}", order or "<", size=size, flags=_TEXT_FLAGS)
        return _Element(text, 4 * nbytes, 4, _TEXT_FLAGS)
    order = "|" if nbytes == 1 else (order or "<")
    metadata: Value = None
    if kind in "mM":
        found: list[Value] = [(unit or "generic").encode(), int(step or 1), 1, 1]
        metadata = SequenceValue("tuple", [None, SequenceValue("tuple", found)])
    alignment = nbytes // 2 if kind == "c" else nbytes
    return _Element(_dtype(f"{kind}{nbytes}", order, metadata=metadata), nbytes, alignment, 0)


def _dtype(
    code: str,
    order: str,
    *,
    size: tuple[int, int] = (-1, -1),
    flags: int = 0,
    members: tuple[Value, Value, Value] = (None, None, None),
    metadata: Value = None,
) -> PlainValue:
    """Return the description that a dtype's ``__reduce__`` amounts to.

    Args:
        code: kind and bytes, as ``f4``.
        order: byte order.
        size: bytes of an element and their alignment, -1 where the code tells.
        flags: PyArray_Descr.flags.
        members: subdtype, names and fields.
        metadata: unit of a date or a duration.
    """
    version = 3 if metadata is None else 4
    items: list[Value] = [version, order, *members, *size, flags]
    if metadata is not None:
        items.append(metadata)
    return PlainValue(DTYPE_KIND, (code, order, SequenceValue("tuple", items)))


def _subarray(item: Literal, shape: Literal, where: str, depth: int) -> _Element:
    """Return a field that is an array: (dtype, shape)."""
    inner = _element(item, where, depth)
    nbytes = inner.nbytes
    sizes: list[Value] = []
    for size in shape if isinstance(shape, tuple) else (shape,):
        if type(size) is not int or size < 0:
            refuse(where, "a dtype and a shape", str(shape))
        nbytes *= size
        sizes.append(size)
    subdtype = SequenceValue("tuple", [inner.description, SequenceValue("tuple", sizes)])
    size_and_alignment = (nbytes, inner.alignment)
    members = (subdtype, None, None)
    found = _dtype(f"V{nbytes}", "|", size=size_and_alignment, flags=inner.flags, members=members)
    return _Element(found, nbytes, inner.alignment, inner.flags)


def _structure(members: list[Literal], where: str, depth: int) -> _Element:
    """Return a structure: (name, dtype) or (name, dtype, shape) each, '' being padding."""
    names: list[Value] = []
    entries: list[tuple[Value, Value]] = []
    nbytes, flags = 0, _STRUCTURE_FLAGS
    for member in members:
        if not isinstance(member, tuple) or len(member) not in (2, 3):
            refuse(where, "(name, dtype) or (name, dtype, shape)", str(member))
        inner = _element(member[1] if len(member) == 2 else member[1:], where, depth)
        title, name = _names(member[0], where)
        if name:
            place: list[Value] = [inner.description, nbytes]
            names.append(name)
            entries.append(
                (name, SequenceValue("tuple", place if title is None else [*place, title]))
            )
        nbytes += inner.nbytes
        flags |= inner.flags & _INHERITED_FLAGS
    parts = (None, SequenceValue("tuple", names), MappingValue("dict", entries))
    found = _dtype(f"V{nbytes}", "|", size=(nbytes, 1), flags=flags, members=parts)
    return _Element(found, nbytes, 1, flags)


def _names(name: Literal, where: str) -> tuple[str | None, str]:
    """Return the title and the name of a field: a name, or both in a tuple."""
    match name:
        case str():
            return None, name
        case (str() as title, str() as inner):
            return title, inner
    refuse(where, "the name of a field", str(name))

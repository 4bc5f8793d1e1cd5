"""What calls of the standard library would have built: containers and small known types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import MappingValue, PlainValue, SequenceValue, Value, is_atom
from converter.inert.nodes import ByteString, CallNode, DictNode, GlobalNode, Node
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from converter.readers.rebuild.rebuilder import Builder

_UNTOUCHED = ("states", "entries", "appended")


def require_untouched(call: CallNode, *but: str) -> None:
    """Raise unless nothing but the named mutations happened to the call's result.

    Raises:
        NotThisShapeError: something else was done to it.
    """
    if not (call.states or call.entries or call.appended or call.kwargs is not None):
        return
    for name in _UNTOUCHED:
        if name not in but and getattr(call, name):
            raise NotThisShapeError
    if call.kwargs is not None:
        raise NotThisShapeError


def arguments(call: CallNode, rebuilder: Rebuilder, least: int, most: int) -> list[Node]:
    """Return the call's positional arguments, between `least` and `most` of them.

    Raises:
        NotThisShapeError: it has more or fewer, or they are no tuple.
    """
    items = rebuilder.items_of(call.args)
    if not least <= len(items) <= most:
        raise NotThisShapeError
    return items


def _ordered_dict(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``OrderedDict()`` with items set on it; Python 2 passes them as pairs in a list."""
    args = arguments(call, rebuilder, 0, 1)
    require_untouched(call, "states", "entries")
    flat: list[Node] = []
    if args:
        for pair in rebuilder.items_of(args[0]):
            flat += _two(rebuilder.items_of(pair))
    return _mapping("OrderedDict", flat, call, rebuilder)


def _default_dict(call: CallNode, rebuilder: Rebuilder) -> Value:
    args = arguments(call, rebuilder, 0, 1)
    require_untouched(call, "states", "entries")
    value = _mapping("defaultdict", [], call, rebuilder)
    if args:
        value.factory = rebuilder.convert(args[0])
    return value


def _counter(call: CallNode, rebuilder: Rebuilder) -> Value:
    args = arguments(call, rebuilder, 0, 1)
    require_untouched(call, "states", "entries")
    flat: list[Node] = []
    if args:
        if not isinstance(args[0], DictNode):
            raise NotThisShapeError
        flat = args[0].items
    return _mapping("Counter", flat, call, rebuilder)


def _mapping(kind: str, flat: list[Node], call: CallNode, rebuilder: Rebuilder) -> MappingValue:
    value = MappingValue(kind)

    def fill(shell: Value, _: Node) -> None:
        assert isinstance(shell, MappingValue)
        shell.entries = rebuilder.fill_entries(flat + (call.entries or []))
        for state in call.states or ():
            attributes = rebuilder.convert(state)
            if isinstance(attributes, MappingValue):
                shell.attributes = attributes
            elif attributes is not None:
                shell.attributes = MappingValue("dict", [("(state)", attributes)])
                rebuilder.observe("state_of_another_shape", f"BUILD on a {kind}", call.offset)
        if len(call.states or ()) > 1:
            rebuilder.observe("built_twice", f"several BUILDs on one {kind}", call.offset)

    rebuilder.defer(fill, value, call)
    return value


def _two(items: list[Node]) -> list[Node]:
    if len(items) != 2:
        raise NotThisShapeError
    return items


def _collection(kind: str) -> Builder:
    def build(call: CallNode, rebuilder: Rebuilder) -> Value:
        args = arguments(call, rebuilder, 0, 1)
        require_untouched(call, "appended")
        members = list(rebuilder.items_of(args[0])) if args else []
        return sequence(kind, members + (call.appended or []), call, rebuilder)

    return build


def sequence(kind: str, members: list[Node], call: CallNode, rebuilder: Rebuilder) -> SequenceValue:
    """Return a collection whose members are converted later."""
    value = SequenceValue(kind, [])

    def fill(shell: Value, _: Node) -> None:
        assert isinstance(shell, SequenceValue)
        shell.items.extend(map(rebuilder.convert, members))

    rebuilder.defer(fill, value, call)
    return value


def _deque(call: CallNode, rebuilder: Rebuilder) -> Value:
    args = arguments(call, rebuilder, 0, 2)
    require_untouched(call, "appended")
    members = list(rebuilder.items_of(args[0])) if args else []
    value = sequence("deque", members + (call.appended or []), call, rebuilder)
    if len(args) == 2 and args[1] is not None:
        if type(args[1]) is not int:
            raise NotThisShapeError
        value.maxlen = args[1]
    return value


def _encoded_bytes(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``_codecs.encode(text, 'latin1')``: how protocol 2 spells bytes."""
    require_untouched(call)
    text, encoding = _two(rebuilder.items_of(call.args))
    if isinstance(text, str) and encoding in ("latin1", "latin-1"):
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            raise NotThisShapeError from None
    raise NotThisShapeError


def bytes_of(node: Node, rebuilder: Rebuilder) -> bytes:
    """Return the bytes a node stands for: bytes, a Python 2 string, or an encoded text.

    Raises:
        NotThisShapeError: it stands for something else.
    """
    value = rebuilder.convert(node)
    if isinstance(value, bytes):
        return value
    if isinstance(value, PlainValue) and value.kind == "bytearray":
        content = value.fields[0]
        if isinstance(content, bytes):
            return content
    raise NotThisShapeError


def _bytes(call: CallNode, rebuilder: Rebuilder) -> Value:
    require_untouched(call)
    args = arguments(call, rebuilder, 0, 1)
    return bytes_of(args[0], rebuilder) if args else b""


def _bytearray(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``bytearray(b)``, or Python 2's ``bytearray(text, 'latin-1')``."""
    require_untouched(call)
    args = arguments(call, rebuilder, 0, 2)
    if not args:
        return PlainValue("bytearray", (b"",))
    if len(args) == 2:
        return PlainValue("bytearray", (_encoded_bytes(call, rebuilder),))
    return PlainValue("bytearray", (bytes_of(args[0], rebuilder),))


def _fields(kind: str, least: int, most: int, *types: type) -> Builder:
    """Return a builder for a type made from a few plain values of the given types."""

    def build(call: CallNode, rebuilder: Rebuilder) -> Value:
        require_untouched(call)
        args = arguments(call, rebuilder, least, most)
        if not all(type(item) in types for item in args):
            raise NotThisShapeError
        return PlainValue(kind, tuple(rebuilder.convert(item) for item in args))

    return build


def _time(kind: str, nbytes: int) -> Builder:
    """Return a builder for date and time types: packed bytes, and a time zone perhaps.

    The layout (big-endian year, month, day, hour, minute, second, microsecond) is CPython's
    ``datetime.__reduce_ex__``.
    """

    def build(call: CallNode, rebuilder: Rebuilder) -> Value:
        require_untouched(call)
        args = arguments(call, rebuilder, 1, 2)
        packed = bytes_of(args[0], rebuilder)
        if len(packed) != nbytes:
            raise NotThisShapeError
        return PlainValue(kind, (bytes(packed), *map(rebuilder.convert, args[1:])))

    return build


def _nested(kind: str, least: int, most: int) -> Builder:
    """Return a builder for a type whose arguments may be such types themselves."""

    def build(call: CallNode, rebuilder: Rebuilder) -> Value:
        require_untouched(call)
        args = arguments(call, rebuilder, least, most)
        fields = tuple(map(rebuilder.convert, args))
        if not all(is_atom(item) or isinstance(item, PlainValue) for item in fields):
            raise NotThisShapeError
        return PlainValue(kind, fields)

    return build


_NUMBERS: Final = (int, float, bool)
_TEXT: Final = (str, ByteString)
_PATHS: Final = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")


def _path_builders() -> dict[tuple[str, str], Builder]:
    # Python 3.13 moved the classes to pathlib._local and passes the whole path.
    return {
        (module, name): _fields(f"pathlib.{name}", 0, 1_000, *_TEXT)
        for module in ("pathlib", "pathlib._local")
        for name in _PATHS
    }


BUILDERS: Final[dict[tuple[str, str], Callable[[CallNode, Rebuilder], Value]]] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("collections", "defaultdict"): _default_dict,
    ("collections", "Counter"): _counter,
    ("collections", "deque"): _deque,
    ("builtins", "set"): _collection("set"),
    ("builtins", "frozenset"): _collection("frozenset"),
    ("builtins", "list"): _collection("list"),
    ("builtins", "tuple"): _collection("tuple"),
    ("builtins", "bytes"): _bytes,
    ("builtins", "bytearray"): _bytearray,
    ("builtins", "complex"): _fields("complex", 2, 2, *_NUMBERS),
    ("builtins", "slice"): _nested("slice", 1, 3),
    ("builtins", "range"): _fields("range", 1, 3, int),
    ("_codecs", "encode"): _encoded_bytes,
    ("datetime", "datetime"): _time("datetime.datetime", 10),
    ("datetime", "date"): _time("datetime.date", 4),
    ("datetime", "time"): _time("datetime.time", 6),
    ("datetime", "timedelta"): _fields("datetime.timedelta", 3, 3, *_NUMBERS),
    ("datetime", "timezone"): _nested("datetime.timezone", 1, 2),
    ("decimal", "Decimal"): _fields("decimal.Decimal", 1, 1, *_TEXT),
    ("fractions", "Fraction"): _fields("fractions.Fraction", 1, 2, int, *_TEXT),
    **_path_builders(),
}
"""Canonical (module, name) → what calling it would have built."""

NAMES: Final[dict[tuple[str, str], Value]] = {
    ("builtins", "Ellipsis"): PlainValue("Ellipsis", ()),
    ("builtins", "NotImplemented"): PlainValue("NotImplemented", ()),
}
"""Canonical (module, name) → value of a bare name."""


def global_name(node: Node) -> str | None:
    """Return ``module.name`` of a global as the stream spells it, or None."""
    return f"{node.module}.{node.name}" if isinstance(node, GlobalNode) else None

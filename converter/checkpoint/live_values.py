"""Live Python values of the small known types, and `InertObject` for those of any other.

Nothing here is looked up by a name from a file: a table maps the kinds of the tree to
constructors, each given only what it was checked for.
"""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import re
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from converter.inert.nodes import ByteString

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converter.checkpoint.values import InertValue

_FRACTION: Final = re.compile(r"([+-]?[0-9]{1,4300})(?:/([0-9]{1,4300}))?", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InertObject:
    """An object of a class that is not rebuilt: what it was, as data, without any behaviour.

    Attributes:
        class_name: ``module.name`` of its class, or of the function that would have made it.
        how: what the pickle would have done: ``REDUCE``, ``NEWOBJ``, ``GLOBAL`` for a mere name,
            ``VALUE`` for a value of a known type that cannot be made here, ….
        args: positional arguments.
        kwargs: keyword arguments, or None.
        state: what would have been its attributes, or its ``__setstate__`` argument; a tuple of
            them if there were several; None without any.
        items: (key, value) that would have been set on it.
        members: what would have been appended or added to it.
    """

    class_name: str
    how: str = "VALUE"
    args: tuple[Any, ...] = ()
    kwargs: Any = None
    state: Any = None
    items: tuple[tuple[Any, Any], ...] = ()
    members: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        """Name the class; its content may be deep, or contain the object itself."""
        return f"InertObject({self.class_name!r})"


def live_text(value: bytes) -> str | bytes:
    """Return a Python 2 ``str`` as torch would: as text, or as bytes where it is not UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(value)


SAFE_TYPES: Final[Mapping[str, type]] = MappingProxyType(
    {
        **{
            f"builtins.{one.__name__}": one
            for one in (
                *(bool, int, float, complex, str, bytes, bytearray),
                *(list, tuple, dict, set, frozenset, object, slice, range),
            )
        },
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": Counter,
        "collections.deque": deque,
        "builtins.NoneType": type(None),
    }
)
"""Names of classes that are no code of anybody's → the classes; also factories of defaultdicts."""


def plain_value(kind: str, fields: tuple[Any, ...]) -> Any:  # noqa: ANN401 - of many types
    """Return the live value of a `PlainValue`, or an `InertObject` where that is impossible."""
    make = _MAKERS.get(kind)
    if make is not None:
        try:
            return make(*fields)
        except (ValueError, TypeError, OverflowError, ArithmeticError):
            pass
    return InertObject(kind, args=fields)


def is_namespace(value: InertValue) -> bool:
    """Return whether an object is a namespace with nothing but attributes."""
    return (
        value.class_name in NAMESPACES
        and value.func is None
        and not (value.args or value.kwargs or value.entries or value.appended)
        and len(list(value.attribute_mappings())) == len(value.states)
        and all(
            type(key) is str for mapping in value.attribute_mappings() for key, _ in mapping.entries
        )
    )


def _namespace() -> object:
    from argparse import Namespace

    return Namespace()


def _simple_namespace() -> object:
    from types import SimpleNamespace

    return SimpleNamespace()


NAMESPACES: Final[Mapping[str, Callable[[], object]]] = MappingProxyType(
    {"argparse.Namespace": _namespace, "types.SimpleNamespace": _simple_namespace}
)
"""Classes of objects that are attributes and nothing else → what makes an empty one."""


# Date and time are packed as CPython's ``__reduce_ex__`` packs them: big-endian year (2 bytes),
# month, day, hour, minute, second, microsecond (3 bytes); the high bit of the first byte that
# leaves it room says fold.


def _check_packed(packed: bytes, nbytes: int) -> None:
    """Raise ValueError for what is not that many bytes: a document may say anything."""
    if type(packed) is not bytes or len(packed) != nbytes:
        raise ValueError(packed)


def _datetime(packed: bytes, zone: dt.tzinfo | None = None) -> dt.datetime:
    _check_packed(packed, 10)
    fold, month = divmod(packed[2], 128)
    return dt.datetime(
        int.from_bytes(packed[:2], "big"),
        month,
        packed[3],
        packed[4],
        packed[5],
        packed[6],
        int.from_bytes(packed[7:10], "big"),
        _zone(zone),
        fold=fold,
    )


def _date(packed: bytes) -> dt.date:
    _check_packed(packed, 4)
    return dt.date(int.from_bytes(packed[:2], "big"), packed[2], packed[3])


def _time(packed: bytes, zone: dt.tzinfo | None = None) -> dt.time:
    _check_packed(packed, 6)
    fold, hour = divmod(packed[0], 128)
    microsecond = int.from_bytes(packed[3:6], "big")
    return dt.time(hour, packed[1], packed[2], microsecond, _zone(zone), fold=fold)


def _zone(zone: object) -> dt.tzinfo | None:
    if zone is None or isinstance(zone, dt.tzinfo):
        return zone
    raise TypeError(zone)


def _fraction(numerator: int | str, denominator: int = 1) -> Fraction:
    if isinstance(numerator, int):
        return Fraction(numerator, denominator)
    match = _FRACTION.fullmatch(numerator)
    if match is None:
        raise ValueError(numerator)
    return Fraction(int(match[1]), int(match[2] or 1))


def _path(name: str) -> Callable[..., object]:
    """Return what makes a path; one of another system becomes the pure path of its kind."""
    native = "PosixPath" if os.name == "posix" else "WindowsPath"
    if name in ("PosixPath", "WindowsPath") and name != native:
        name = f"Pure{name}"
    cls: Callable[..., object] = getattr(pathlib, name)
    return cls


_MAKERS: Final[dict[str, Callable[..., Any]]] = {
    "complex": complex,
    "bytearray": bytearray,
    "slice": slice,
    "range": range,
    "Ellipsis": lambda: ...,
    "NotImplemented": lambda: NotImplemented,
    "datetime.datetime": _datetime,
    "datetime.date": _date,
    "datetime.time": _time,
    "datetime.timedelta": dt.timedelta,
    "datetime.timezone": dt.timezone,
    "decimal.Decimal": Decimal,
    "fractions.Fraction": _fraction,
    **{
        f"pathlib.{name}": _path(name)
        for name in (
            *("PosixPath", "WindowsPath", "Path"),
            *("PurePosixPath", "PureWindowsPath", "PurePath"),
        )
    },
}


def live_atom(value: Any) -> Any:  # noqa: ANN401 - any atom
    """Return a plain value; a Python 2 string as text where it is text."""
    return live_text(value) if type(value) is ByteString else value

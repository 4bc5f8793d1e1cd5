"""Plain values with named fields: frozen dataclasses that take no time to define.

Defining a dataclass costs about half a millisecond, and a named tuple a seventh of one, because
both write source text and compile it. With the modules that they need, that was a third of a scan
of a small file. `Frozen` writes none; making one takes as long as making a frozen dataclass.
"""

from __future__ import annotations

from operator import attrgetter

# As type checkers know it, without the import of `typing`, which costs what all of Python does.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Callable[[type], type]:
        """Do nothing: it only speaks to type checkers."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Frozen:
    """Base of classes that are fields with types and defaults.

    A class lists its fields as a dataclass does, and type checkers take it for a frozen one. Values
    are equal, and hash, by their class and fields. A default is shared, so none is mutable.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _known: ClassVar[frozenset[str]] = frozenset()
    _required: ClassVar[frozenset[str]] = frozenset()
    _values_of: ClassVar[attrgetter[object]]

    def __init_subclass__(cls) -> None:
        """Note which fields there are; a default is an attribute of the class."""
        cls._fields = (*cls._fields, *cls.__annotations__)
        cls._known = frozenset(cls._fields)
        cls._required = frozenset(name for name in cls._fields if not hasattr(cls, name))
        cls._values_of = attrgetter(*cls._fields)

    def __init__(self, *values: Any, **named: Any) -> None:  # noqa: ANN401 - its own fields
        """Take the fields in order or by name.

        Raises:
            TypeError: one is missing, unknown or given twice.
        """
        held = self.__dict__
        held.update(zip(self._fields, values), **named)  # noqa: B905 - the lengths are compared
        whole = len(held) == len(values) + len(named)
        if not (whole and self._required <= held.keys() <= self._known):
            msg = f"{type(self).__name__} takes {', '.join(self._fields)}"
            raise TypeError(msg)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Refuse fields that do not fit each other; by default any do."""

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse.

        Raises:
            AttributeError: always.
        """
        msg = f"{type(self).__name__} is frozen: {name}"
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> None:
        """Refuse.

        Raises:
            AttributeError: always.
        """
        msg = f"{type(self).__name__} is frozen: {name}"
        raise AttributeError(msg)

    def __eq__(self, other: object) -> bool:
        """Return whether it is of the same class and has equal fields."""
        if type(self) is not type(other):
            return NotImplemented
        return bool(self._values_of(self) == self._values_of(other))

    def __hash__(self) -> int:
        """Return the hash of the fields."""
        return hash(self._values_of(self))

    def __repr__(self) -> str:
        """Return how it is made."""
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__qualname__}({told})"

    def _replace(self, **changes: Any) -> Self:  # noqa: ANN401 - its own fields
        """Return one with some fields changed.

        Raises:
            TypeError: there is no such field.
        """
        if not changes.keys() <= self._known:
            msg = f"{type(self).__name__} takes {', '.join(self._fields)}"
            raise TypeError(msg)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, **changes)
        made.__post_init__()
        return made

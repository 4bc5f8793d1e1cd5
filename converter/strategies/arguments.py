"""Checks the arguments of strategies, and says clearly what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def check_count(name: str, value: object, *, least: int = 0) -> int:
    """Return `value` if it is an int of at least `least`.

    Raises:
        InvalidArgument: it is not.
    """
    if type(value) is not int or value < least:
        msg = f"{name}={value!r} must be an int of at least {least}"
        raise InvalidArgument(msg)
    return value


def check_choice(name: str, value: str | None, allowed: Collection[str]) -> tuple[str, ...]:
    """Return the one choice that was made, or all of them for None.

    Raises:
        InvalidArgument: there is no such choice.
    """
    if value is None:
        return tuple(allowed)
    if value not in allowed:
        msg = f"{name}={value!r} must be one of {', '.join(map(repr, allowed))}"
        raise InvalidArgument(msg)
    return (value,)


def check_choices(
    name: str, values: Sequence[str] | None, allowed: Collection[str]
) -> tuple[str, ...]:
    """Return the choices that were made, or all of them for None.

    Raises:
        InvalidArgument: a string instead of a sequence, no choice at all, or one there is not.
    """
    if values is None:
        return tuple(allowed)
    if isinstance(values, str) or not values:
        msg = f"{name}={values!r} must be a sequence of at least one choice, or None for all"
        raise InvalidArgument(msg)
    for value in values:
        check_choice(f"{name} with", value, allowed)
    return tuple(values)

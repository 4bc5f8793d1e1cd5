"""When two dict keys of a pickle are one key to Python, without hashing anything deep.

Numbers are compared as Python does (1, True and 1.0 are one key). Integers go through their text:
Python hashes text with a secret per process, integers without, so a file could otherwise choose
integers that all collide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converter.checkpoint.values import Value


def identity_of_key(key: Value) -> object:
    """Return something hashable that is equal for keys which Python would call equal.

    Keys that are no plain values are only equal to themselves.
    """
    kind = type(key)
    if kind is str:
        return key
    if kind is int or kind is bool:
        return (1, hex(key))  # type: ignore[arg-type]
    if kind is float:
        assert isinstance(key, float)
        if key.is_integer():
            return (1, hex(int(key)))
        return (2, key.hex()) if key == key else (3, id(key))  # noqa: PLR0124 - NaN
    if isinstance(key, bytes):
        return (4, bytes(key))
    if key is None:
        return (5,)
    return (6, id(key))

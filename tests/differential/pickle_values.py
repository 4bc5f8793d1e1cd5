"""Values that pickle writes with plain opcodes, and the comparison of two that may be cyclic."""

from __future__ import annotations

import math
import struct
from typing import Any

from hypothesis import strategies as st

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=6)
    | st.binary(max_size=6)
)
"""Without identity; text with surrogates among it."""

keys = st.booleans() | st.integers() | st.text(max_size=4) | st.tuples(st.integers(), st.text())

plain_values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(keys, max_size=4)
        | st.frozensets(keys, max_size=4)
        | st.binary(max_size=6).map(bytearray)
        | inner.map(lambda value: [value, value])
    ),
    max_leaves=12,
)
"""Nested containers, some of which share their parts."""


def is_same(first: Any, second: Any) -> bool:  # noqa: ANN401 - it is about any two values
    """Return whether two values agree in types, bits, order and sharing, cycles included."""
    partner: dict[int, int] = {}
    pending = [(first, second)]
    while pending:
        one, other = pending.pop()
        if type(one) is not type(other):
            return False
        children = _children(one)
        if children is None:
            if not _is_same_atom(one, other):
                return False
        elif id(one) in partner:
            if partner[id(one)] != id(other):
                return False
        else:
            partner[id(one)] = id(other)
            others = _children(other) or []
            if len(children) != len(others):
                return False
            pending.extend(zip(children, others, strict=True))
    return len(set(partner.values())) == len(partner)


def _children(value: Any) -> list[Any] | None:  # noqa: ANN401 - as above
    """Return what a container holds, or None for an atom; sets by the representation of members."""
    if isinstance(value, dict):
        attributes = [value.__dict__] if hasattr(value, "__dict__") else []
        return [part for item in value.items() for part in item] + attributes
    if isinstance(value, (list, tuple)) and value:
        return list(value)
    if isinstance(value, (set, frozenset)) and value:
        return sorted(value, key=repr)
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return [value.__dict__]
    return None


def _is_same_atom(one: Any, other: Any) -> bool:  # noqa: ANN401 - as above
    if isinstance(one, float):
        if math.isnan(one):
            return struct.pack(">d", one) == struct.pack(">d", other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)

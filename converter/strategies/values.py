"""What training loops put beside their tensors."""

from __future__ import annotations

import argparse
import datetime as dt
import struct
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_KEYS: Final = st.one_of(
    st.sampled_from(["epoch", "lr", "history", "args"]), st.integers(-3, 3), st.text(max_size=4)
)


def _float_of(bits: int) -> float:
    number: float = struct.unpack("<d", bits.to_bytes(8, "little"))[0]
    return number


def _atoms() -> SearchStrategy[Any]:
    floats = [0.1, -0.0, float("inf"), float("nan"), 5e-324]
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.sampled_from(floats),
        st.integers(0, 2**64 - 1).map(_float_of),
        st.text(max_size=8),
        st.binary(max_size=8),
        st.complex_numbers(),
        st.just(dt.datetime(2017, 1, 18, 12, 30)),  # noqa: DTZ001 - loops save such
    )


def loose_values() -> SearchStrategy[Any]:
    """Generate values that hold no tensor: numbers, texts, containers of them, argparse options.

    Integers leave 64 bits, floats have any bits, keys may be integers. Examples shrink to None.
    """
    return st.recursive(
        _atoms(),
        lambda inside: st.one_of(
            st.lists(inside, max_size=3),
            st.lists(inside, max_size=3).map(tuple),
            st.dictionaries(_KEYS, inside, max_size=3),
            st.dictionaries(_KEYS, inside, max_size=3).map(OrderedDict),
            st.dictionaries(st.sampled_from(["lr", "seed", "name"]), inside, max_size=2).map(
                lambda options: argparse.Namespace(**options)
            ),
            st.sets(st.integers(0, 9), max_size=3),
            st.lists(st.sampled_from("abc"), max_size=3).map(Counter),
        ),
        max_leaves=6,
    )

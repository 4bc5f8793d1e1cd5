"""Tests of which of several names is written."""

from __future__ import annotations

from dataclasses import replace

from converter.writing.aliases import find_aliases
from tests.unit.writing.made import floats, storage, view


def test_first_name_in_sorted_order_is_kept() -> None:
    tied = floats(2)
    assert find_aliases([("b", tied), ("a", tied), ("c", replace(tied))]) == {"b": "a", "c": "a"}


def test_other_views_of_the_storage_are_no_aliases() -> None:
    base = storage(bytes(16))
    one = view(base, "float32", (2,))
    others = [
        view(base, "float32", (2,), offset=1),
        view(base, "float32", (2, 1)),
        view(base, "float32", (2,), (2,)),
        view(base, "int32", (2,)),
        replace(one, neg=True),
        view(storage(bytes(16)), "float32", (2,)),
    ]
    assert find_aliases([("a", one), *((f"b{i}", t) for i, t in enumerate(others))]) == {}


def test_empty_tensors_are_always_written() -> None:
    empty = view(storage(bytes(16)), "float32", (0,))
    assert find_aliases([("a", empty), ("b", empty)]) == {}


def test_reserved_names_are_never_dropped() -> None:
    tied = floats()
    named = [("a", tied), ("format", tied), ("depickle.document", tied), ("z", tied)]
    assert find_aliases(named) == {"a": "depickle.document", "z": "depickle.document"}

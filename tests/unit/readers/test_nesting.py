"""Flat names put back into the tree that they came from."""

from __future__ import annotations

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Opened
from converter.checkpoint.values import MappingValue, SequenceValue, Value
from converter.readers.nesting import nested


def plain(value: Value) -> object:
    """Return values as Python's own."""
    if isinstance(value, MappingValue):
        return {key: plain(item) for key, item in value.entries}
    if isinstance(value, SequenceValue):
        return [plain(item) for item in value.items]
    return value


def test_texts_lead_into_dicts_and_ints_into_lists() -> None:
    opened = Opened(MemorySource(b"", "x"), "dcp")
    paths: dict[str, tuple[str | int, ...]] = {
        "a.b.1": ("a", "b", 1),
        "a.b.0": ("a", "b", 0),
        "a.c": ("a", "c"),
        "s.0.x": ("s", "0", "x"),
        "m.w.v": ("m", "w.v"),
    }
    values: dict[str, Value] = {"a.b.1": 1, "a.b.0": 0, "a.c": 2, "s.0.x": 3, "m.w.v": 4, "e": 5}
    found = nested(opened, values, paths)
    expected = {"a": {"b": [0, 1], "c": 2}, "s": {"0": {"x": 3}}, "m": {"w.v": 4}, "e": 5}
    assert plain(found) == expected
    assert list(plain(found)) == ["a", "s", "m", "e"]  # type: ignore[call-overload]
    assert [note.code for note in opened.notes] == ["dcp_key_types"]
    assert opened.anomalies == []


def test_lists_with_gaps_stay_dicts() -> None:
    opened = Opened(MemorySource(b"", "x"), "dcp")
    found = nested(opened, {"a": 1, "b": 2}, {"a": ("l", 10**18), "b": ("l", 0)})
    assert plain(found) == {"l": {10**18: 1, 0: 2}}


def test_paths_in_each_others_way() -> None:
    opened = Opened(MemorySource(b"", "x"), "dcp")
    paths: dict[str, tuple[str | int, ...]] = {
        "a": ("a",),
        "a.b": ("a", "b"),
        "c": ("a",),
        "d": (0, "x"),
    }
    found = nested(opened, {"a": 1, "a.b": 2, "c": 3, "d": 4}, paths)
    assert plain(found) == {"a": 1, "a.b": 2, "c": 3, "d": 4}
    assert [anomaly.code for anomaly in opened.anomalies] == ["dcp_path_taken"] * 3


def test_names_that_are_taken_get_a_mark() -> None:
    opened = Opened(MemorySource(b"", "x"), "dcp")
    found = nested(opened, {"a": 1, "b": 2}, {"a": ("b",), "b": ("b",)})
    assert plain(found) == {"b": 1, "b~": 2}


def test_depth_does_not_matter() -> None:
    opened = Opened(MemorySource(b"", "x"), "dcp")
    value: Value = nested(opened, {"deep": 1}, {"deep": ("a",) * 5000})
    depth = 0
    while isinstance(value, MappingValue):
        value = value.entries[0][1]
        depth += 1
    assert depth == 5000

"""Tests of names that a file can hold."""

from __future__ import annotations

import pytest

from converter.checkpoint.canonical import Component, ComponentKind
from converter.errors import PlanError
from converter.writing.names import assign_names, file_names, spell
from converter.writing.selection import Candidate
from tests.unit.writing.made import floats

PART = Component("part", ComponentKind.MODEL, (), None, {})


def candidate(wanted: str, natural: str | None = None, source: str | None = None) -> Candidate:
    natural = wanted if natural is None else natural
    return Candidate(PART, natural, source or natural, floats(), natural, wanted)


def names(*wanted: str) -> list[str]:
    return assign_names([candidate(name) for name in wanted])[0]


def test_names_the_format_can_hold_stay() -> None:
    fine = ["", "a.b", 'é\u2028\x00"\\', "\U0001f600", "a~2"]
    found, renamed = assign_names([candidate(name) for name in fine])
    assert found == fine
    assert renamed == []


def test_natural_collisions_are_numbered_and_reported() -> None:
    found, renamed = assign_names([candidate("0", source=f"s{i}") for i in range(3)])
    assert found == ["0", "0~2", "0~3"]
    assert [(one.source_name, one.wanted, one.name) for one in renamed] == [
        ("s1", "0", "0~2"),
        ("s2", "0", "0~3"),
    ]


def test_numbers_that_are_taken_are_skipped() -> None:
    assert names("a", "a", "a~2", "a~3") == ["a", "a~4", "a~2", "a~3"]


def test_metadata_key_is_numbered() -> None:
    found, renamed = assign_names([candidate("__metadata__"), candidate("__metadata__~2")])
    assert found == ["__metadata__~2", "__metadata__~2~2"]
    assert len(renamed) == 2


def test_lone_surrogates_are_spelled_out_reversibly() -> None:
    name = "a\ud800\\udc00b"
    spelled = spell(name)
    assert spelled == "a\\ud800\\\\udc00b"
    spelled.encode()
    assert spelled.encode("ascii").decode("unicode_escape") == name


def test_spelled_name_that_is_taken() -> None:
    assert names("\\ud800", "\ud800") == ["\\ud800", "\\ud800~2"]


def test_collision_made_by_options_names_all_three() -> None:
    with pytest.raises(PlanError) as caught:
        assign_names([candidate("w", "module.w"), candidate("w")])
    for text in ("'w'", "'module.w'"):
        assert text in str(caught.value)


def test_collision_that_was_there_before_the_options_is_numbered() -> None:
    found, _ = assign_names([candidate("w", "module.w"), candidate("w", "module.w")])
    assert found == ["w", "w~2"]


def test_metadata_key_made_by_options_is_refused() -> None:
    with pytest.raises(PlanError, match="reserved"):
        assign_names([candidate("__metadata__", "a.__metadata__")])


def test_file_names_of_ordinary_components() -> None:
    assert file_names(["model", "optimizer_0", "EMA 0.999"]) == [
        "model.safetensors",
        "optimizer_0.safetensors",
        "EMA 0.999.safetensors",
    ]


def test_file_names_cannot_leave_hide_or_clash() -> None:
    hostile = ["../up", "/etc/x", "", ".", "..", "a\x00b", "é", "\ud800", "x" * 999, "con\n", " a"]
    found = file_names([*hostile, "Model", "model", "MODEL"])
    assert found[-3:] == ["Model.safetensors", "model~2.safetensors", "MODEL~3.safetensors"]
    assert len({name.casefold() for name in found}) == len(found)
    for name in found:
        assert "/" not in name
        assert name.isprintable()
        assert name.isascii()
        assert name[0] not in ". "
        assert len(name) < 150


def test_long_names_stay_apart() -> None:
    first, second = file_names(["x" * 999 + "1", "x" * 999 + "2"])
    assert first != second
    assert "~" in first

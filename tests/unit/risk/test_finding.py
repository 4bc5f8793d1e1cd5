"""A finding always has a place."""

from __future__ import annotations

from typing import Any, cast

import pytest

from converter.risk.finding import MAX_TEXT, Finding, Location, Severity, shortened


def test_none_without_a_place() -> None:
    with pytest.raises(TypeError, match="needs a location"):
        Finding("a-rule", Severity.NOTE, cast("Any", None), "message")
    with pytest.raises(TypeError):
        Finding("a-rule", Severity.NOTE, message="message")  # type: ignore[call-arg]


def test_a_place_is_one() -> None:
    with pytest.raises(ValueError, match="offset -1"):
        Location(None, -1)


def test_texts_of_the_file_are_cut() -> None:
    assert shortened("short") == "short"
    assert len(shortened("x" * 10_000)) == MAX_TEXT + 1

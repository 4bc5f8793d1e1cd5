"""Tests of the choices about an output."""

from __future__ import annotations

import dataclasses

import pytest

from converter.writing.options import DEFAULT_OPTIONS, WriteOptions


def test_defaults_choose_nothing() -> None:
    assert WriteOptions() == DEFAULT_OPTIONS
    assert DEFAULT_OPTIONS.components is None
    assert not DEFAULT_OPTIONS.plain
    assert not DEFAULT_OPTIONS.folder


def test_options_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_OPTIONS.plain = True  # type: ignore[misc]

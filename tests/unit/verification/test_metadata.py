"""The entries of a header beside its tensors, compared with what they should be."""

from __future__ import annotations

import pytest

from converter.verification.header import read_header
from converter.verification.metadata import metadata_differences
from tests.unit.verification.references import counting, safetensors_of, source_of

PLANNED = {"format": "pt", "tied": "w", "note": "x" * 100}


def differences(found: dict[str, str]) -> list[tuple[str, str, str | None, str | None]]:
    tensors = {"w": ("F32", (2,), counting(8))}
    header = read_header(source_of(safetensors_of(tensors, found)))
    return [
        (str(one.kind), one.name, one.expected, one.found)
        for one in metadata_differences("f", PLANNED, header)
    ]


def test_nothing_differs() -> None:
    assert differences(PLANNED) == []


@pytest.mark.parametrize(
    ("change", "name", "expected", "found"),
    [
        ({"format": "tf"}, "format", "pt", "tf"),
        ({"format": "w"}, "format", "pt", "w"),
        ({"note": "y"}, "note", "x" * 80 + "… (100 characters)", "y"),
        ({"extra": ""}, "extra", None, ""),
    ],
)
def test_changed_entry(
    change: dict[str, str], name: str, expected: str | None, found: str | None
) -> None:
    assert differences(PLANNED | change) == [("metadata", name, expected, found)]


def test_missing_entry() -> None:
    left = {key: value for key, value in PLANNED.items() if key != "format"}
    assert differences(left) == [("metadata", "format", "pt", None)]


def test_names_that_lead_to_tensors_are_compared_with_them() -> None:
    assert differences({key: value for key, value in PLANNED.items() if key != "tied"}) == []
    assert differences(PLANNED | {"other": "w"}) == []

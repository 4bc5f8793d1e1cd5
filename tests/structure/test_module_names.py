"""A module is named for what it defines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.structure.source_tree import read_modules

if TYPE_CHECKING:
    from collections.abc import Iterable

# Names that say nothing, so that everything fits in.
EMPTY_WORDS: Final = frozenset(
    {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
)
# The public verbs: `converter.convert` is a function and cannot be a module as well.
VERBS: Final = frozenset(
    {"convert", "diff", "inspect", "migrate", "open", "restore", "scan", "validate", "verify"}
)


def naming_violations(paths: Iterable[str]) -> list[str]:
    """List the paths of which a folder's or module's name is an empty word or a public verb."""
    found = []
    for path in paths:
        parts = path.removesuffix(".py").split("/")
        words = {word for part in parts for word in part.strip("_").split("_")}
        found += [f"{path}: {word} says nothing" for word in sorted(words & EMPTY_WORDS)]
        found += [f"{path}: {part} is a public verb" for part in parts if part in VERBS]
    return found


def test_converter_names_say_something() -> None:
    assert naming_violations(module.path for module in read_modules("converter")) == []


@pytest.mark.parametrize(
    "path",
    [
        "converter/utils.py",
        "converter/core/machine.py",
        "converter/inert/zip_helpers.py",
        "converter/inert/_base.py",
        "converter/verify.py",
        "converter/cli/scan.py",
    ],
)
def test_violation_is_seen(path: str) -> None:
    assert len(naming_violations([path])) == 1


@pytest.mark.parametrize(
    "path", ["converter/__init__.py", "converter/cli/cmd_scan.py", "converter/database.py"]
)
def test_honest_names_pass(path: str) -> None:
    assert naming_violations([path]) == []

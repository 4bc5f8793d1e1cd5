"""Reads the tables: which uses of which names are safe, and why others are dangerous.

``safe.txt`` and ``safe_modules.txt`` decide; ``dangerous.txt`` only explains. A row is a block of
lines, ``field: value``, of which one that begins with a blank goes on; it names its module as
today's Python, torch and numpy do: ask with `converter.inert.names.canonical_name`. Of a module
only the rows that are asked for are read: that is quicker than any parser of a whole table.

Uses:

    ``value``         may stand as data anywhere
    ``call``          may be called; the names among its arguments are judged by themselves
    ``state``         a BUILD may follow the call
    ``items``         SETITEM may follow the call
    ``append``        APPEND and ADDITEMS may follow the call
    ``object``        may be made without a call of its own (NEWOBJ) and given a dict (BUILD)
    ``storage``       may be the class of a storage in a persistent id
    ``rebuild``       may be handed to a function that calls it to make a tensor
    ``tensor_class``  may be the class of a tensor that is rebuilt
    ``array_class``   may be the class of an array that is rebuilt
    ``base``          may be the class whose part of an object is made first
    ``bit_generator`` may be called to make a generator of random numbers
    ``factory``       may be handed over as what makes missing values
    ``package``       may be called by a persistent id of torch.package
"""

from __future__ import annotations

import os
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Final

_SAFE_FILES: Final = ("safe.txt", "safe_modules.txt")
_DANGEROUS_FILE: Final = "dangerous.txt"
_EVERY_NAME: Final = "*"


class SafeName(Frozen):
    """One name of the known-safe list.

    Attributes:
        module: where it lives today.
        name: its name there.
        uses: how it may be used.
        slots: index of an argument → the use that the name standing there must have.
        check: what else its arguments must be, by the name of a check; None for nothing.
        source: who says so.
        date: when that was looked up.
        weights_only: whether ``torch.load(weights_only=True)`` of torch 2.13 allows it unasked.
    """

    module: str
    name: str
    uses: frozenset[str]
    slots: tuple[tuple[int, str], ...]
    check: str | None
    source: str
    date: str
    weights_only: bool = False


class Danger(Frozen):
    """Why a name is known to be dangerous.

    Attributes:
        family: what it can do, in two words.
        source: who says so.
    """

    family: str
    source: str


class Standing(StrEnum):
    """What is to be thought of one use of a name."""

    SAFE = "safe"
    MISUSED = "misused"
    UNKNOWN = "unknown"
    DANGEROUS = "dangerous"


class KnownName(Frozen):
    """What is known of a name, whatever it is used for.

    Attributes:
        module: as the stream spells it.
        name: as the stream spells it.
        standing: safe, unknown, misused (built to deceive) or dangerous.
        rule: the rule that has to say so; empty for a safe one.
        reason: why, as part of a sentence.
        row: its row of the known-safe list.
    """

    module: str
    name: str
    standing: Standing
    rule: str = ""
    reason: str = ""
    row: SafeName | None = None

    @property
    def text(self) -> str:
        """Return the name as one text."""
        return f"{self.module}.{self.name}"


def safe_name(module: str, name: str) -> SafeName | None:
    """Return what is known to be safe about a name, by its canonical spelling."""
    return _safe_names(module).get(name)


def iter_safe() -> Iterator[SafeName]:
    """Iterate over the known-safe list."""
    for module in _safe_rows():
        yield from _safe_names(module).values()


def danger_of(module: str, name: str) -> Danger | None:
    """Return why a name is dangerous, or None where no row says so."""
    exact, below = _dangers()
    found = exact.get((module, name)) or exact.get((module, _EVERY_NAME))
    package = module
    while found is None and package:
        found = below.get(package)
        package = package.rpartition(".")[0]
    return found


def rows_of(file: str) -> Iterator[dict[str, str]]:
    """Iterate over the rows of a table: field → value."""
    for rows in _rows_by_module(file).values():
        yield from map(_fields, rows)


def _rows_by_module(file: str) -> dict[str, list[str]]:
    """Return module → the texts of its rows, as they stand behind the first block of a table."""
    # importlib.resources and pathlib take longer to import than a small file takes to scan.
    path = os.path.join(os.path.dirname(__file__), file)  # noqa: PTH118, PTH120 - as above
    with open(path, encoding="utf-8") as table:  # noqa: PTH123 - as above
        text = table.read()
    rows: dict[str, list[str]] = {}
    for row in text.rstrip("\n").split("\n\n")[1:]:
        module = row[len("module: ") : row.index("\n")]
        rows.setdefault(module, []).append(row)
    return rows


def _fields(row: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in row.replace("\n ", " ").split("\n"))


@cache
def _safe_rows() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in _SAFE_FILES:
        for module, rows in _rows_by_module(file).items():
            found.setdefault(module, []).extend(rows)
    return MappingProxyType(found)


@cache
def _safe_names(module: str) -> Mapping[str, SafeName]:
    """Return name → row of one module."""
    names = {}
    for row in map(_fields, _safe_rows().get(module, ())):
        slots = (slot.split() for slot in row.get("slots", "").split(",") if slot)
        told = SafeName(
            module=module,
            name="",
            uses=frozenset(row["uses"].split()),
            slots=tuple((int(index), use) for index, use in slots),
            check=row.get("check"),
            source=row["source"],
            date=row["date"],
            weights_only=row.get("weights_only") == "yes",
        )
        for name in row["names"].split():
            names[name] = told._replace(name=name)
    return MappingProxyType(names)


@cache
def _dangers() -> tuple[Mapping[tuple[str, str], Danger], Mapping[str, Danger]]:
    exact: dict[tuple[str, str], Danger] = {}
    below: dict[str, Danger] = {}
    for row in rows_of(_DANGEROUS_FILE):
        danger = Danger(row["family"], row["source"])
        for name in row["names"].split():
            exact.setdefault((row["module"], name), danger)
        if row.get("below") == "yes":
            below[row["module"]] = danger
    return MappingProxyType(exact), MappingProxyType(below)

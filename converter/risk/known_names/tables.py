"""Reads the tables: which uses of which names are safe, and why others are dangerous.

``safe.json`` and ``safe_modules.json`` decide; ``dangerous.json`` only explains. A row names its
module as today's Python, torch and numpy do: ask with `converter.inert.names.canonical_name`.

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

import json
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SAFE_FILES: Final = ("safe.json", "safe_modules.json")
_DANGEROUS_FILE: Final = "dangerous.json"
_EVERY_NAME: Final = "*"


class SafeName(NamedTuple):
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


class Danger(NamedTuple):
    """Why a name is known to be dangerous.

    Attributes:
        family: what it can do, in two words.
        source: who says so.
    """

    family: str
    source: str


def safe_name(module: str, name: str) -> SafeName | None:
    """Return what is known to be safe about a name, by its canonical spelling."""
    return _safe_names().get((module, name))


def iter_safe() -> Iterator[SafeName]:
    """Iterate over the known-safe list."""
    return iter(_safe_names().values())


def danger_of(module: str, name: str) -> Danger | None:
    """Return why a name is dangerous, or None where no row says so."""
    exact, below = _dangers()
    found = exact.get((module, name)) or exact.get((module, _EVERY_NAME))
    package = module
    while found is None and package:
        found = below.get(package)
        package = package.rpartition(".")[0]
    return found


def _rows(file: str) -> list[dict[str, Any]]:
    # importlib.resources would bring tempfile, zipfile and all that they need.
    text = pkgutil.get_data(__package__, file)
    if text is None:
        raise FileNotFoundError(file)
    rows: list[dict[str, Any]] = json.loads(text)["rows"]
    return rows


@cache
def _safe_names() -> Mapping[tuple[str, str], SafeName]:
    names = {}
    for row in (row for file in _SAFE_FILES for row in _rows(file)):
        slots = tuple((int(index), use) for index, use in row.get("slots", {}).items())
        for name in row["names"]:
            names[row["module"], name] = SafeName(
                row["module"],
                name,
                frozenset(row["uses"]),
                slots,
                row.get("check"),
                row["source"],
                row["date"],
                row.get("weights_only", False),
            )
    return MappingProxyType(names)


@cache
def _dangers() -> tuple[Mapping[tuple[str, str], Danger], Mapping[str, Danger]]:
    exact: dict[tuple[str, str], Danger] = {}
    below: dict[str, Danger] = {}
    for row in _rows(_DANGEROUS_FILE):
        danger = Danger(row["family"], row["source"])
        for name in row["names"]:  # the text "*" is its own only item
            exact.setdefault((row["module"], name), danger)
        if row.get("below"):
            below[row["module"]] = danger
    return MappingProxyType(exact), MappingProxyType(below)

"""What a name is that is not on the known-safe list: dangerous, deceptive or unknown."""

from __future__ import annotations

import re
import sys

from converter.risk.known_names import KnownName, Standing, danger_of
from converter.risk.lookalikes import lookalike_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

_DUNDER: Final = re.compile(r"__\w+__")
# What a dotted name passes through when it leaves the module it starts in.
_MODULES: Final = frozenset({*sys.stdlib_module_names, "torch", "numpy", "pandas", "transformers"})
_MAX_DOTS: Final = 32


def judge_foreign(module: str, name: str, canonical: tuple[str, str]) -> KnownName:
    """Return what the tables and its spelling say of a name.

    Args:
        module: as the stream spells it.
        name: as the stream spells it.
        canonical: both, as they are spelled today.
    """
    danger = danger_of(*canonical) or danger_of(module, name)
    if danger is not None:
        reason = f"{danger.family} ({danger.source})"
        return KnownName(module, name, Standing.DANGEROUS, "unsafe-global", reason)
    dotted = _dotted(module, name, canonical)
    if dotted is not None:
        return dotted
    near = lookalike_of(*canonical)
    if near is not None:
        reason = f"spelled almost like {near}"
        return KnownName(module, name, Standing.MISUSED, "lookalike-name", reason)
    return KnownName(module, name, Standing.UNKNOWN, "unknown-global", "code that is on no list")


def _dotted(module: str, name: str, canonical: tuple[str, str]) -> KnownName | None:
    """Return what a name with dots or a dunder name reaches, if that is no plain class."""
    parts = name.split(".")
    if any(_DUNDER.fullmatch(part) for part in parts):
        rule = "dotted-name" if len(parts) > 1 else "unsafe-global"
        reason = "it reaches into the machinery of classes and modules"
        return KnownName(module, name, Standing.DANGEROUS, rule, reason)
    if len(parts) == 1:
        return None
    if len(parts) > _MAX_DOTS:
        return KnownName(module, name, Standing.MISUSED, "dotted-name", f"{len(parts)} steps")
    for owner, attribute in _steps(canonical[0], parts):
        danger = danger_of(owner, attribute)
        if danger is not None:
            reason = f"it leads through {owner}.{attribute}: {danger.family} ({danger.source})"
            return KnownName(module, name, Standing.DANGEROUS, "dotted-name", reason)
    through = [part for part in parts if part in _MODULES]
    if through:
        reason = f"it leads out of {module} through the module {through[0]}"
        return KnownName(module, name, Standing.MISUSED, "dotted-name", reason)
    return None


def _steps(module: str, parts: list[str]) -> Iterator[tuple[str, str]]:
    """Iterate over the (module, name) pairs that a name with dots may pass."""
    yield module, parts[0]
    for stop in range(1, len(parts)):
        yield ".".join([module, *parts[:stop]]), parts[stop]
        for start in range(stop):
            yield ".".join(parts[start:stop]), parts[stop]

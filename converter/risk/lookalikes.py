"""Names that differ from a known-safe one by a letter or two."""

from __future__ import annotations

from functools import cache

from converter.risk.known_names import iter_safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_MAX_EDITS: Final = 2
_SHORTEST: Final = 5


def lookalike_of(module: str, name: str) -> str | None:
    """Return the known-safe name that a name imitates, or None.

    It has the same name in a module of almost the same name.
    """
    if len(name) < _SHORTEST:
        return None
    for other in _modules_of().get(name, ()):
        if other != module and _is_near(other, module):
            return f"{other}.{name}"
    return None


def _is_near(first: str, second: str) -> bool:
    """Return whether one becomes the other by one or two edits, and is not short."""
    if min(len(first), len(second)) < _SHORTEST or abs(len(first) - len(second)) > _MAX_EDITS:
        return False
    previous = list(range(len(second) + 1))
    for row, left in enumerate(first, 1):
        current = [row]
        for column, right in enumerate(second, 1):
            cost = previous[column - 1] + (left != right)
            current.append(min(cost, previous[column] + 1, current[-1] + 1))
        previous = current
    return 0 < previous[-1] <= _MAX_EDITS


@cache
def _modules_of() -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for row in iter_safe():
        found.setdefault(row.name, set()).add(row.module)
    return {name: tuple(sorted(modules)) for name, modules in found.items()}

"""Rules that turn names into others, as the options of a conversion apply them, and their traces.

`Rules.apply` says once more what the writer's options mean, quickly and for names alone; what is
suggested in the end is put to the writer itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Names that are looked at to find a rule; the rule is then tried on all.
_MAX_VOTERS: Final = 20_000
# Expected names that one ending may belong to before it says nothing any more.
_MAX_CANDIDATES: Final = 8
_MAX_PARTS: Final = 64


class Rule(NamedTuple):
    """A leading run of whole parts, and what stands in its place; either may be empty."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done to every name: first parts, then prefixes, then the first rename that fits.

    Attributes:
        parts: taken out wherever they stand, but at the end.
        prefixes: taken off the beginning, each once, in this order.
        renames: (old, new); old is a whole name or a leading run of whole parts.
    """

    parts: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    renames: tuple[Rule, ...] = ()

    def apply(self, name: str) -> str:
        """Return what becomes of a name."""
        return self._renamed(self.stripped(name))

    def stripped(self, name: str) -> str:
        """Return a name after the parts and prefixes, before any rename."""
        if self.parts:
            *modules, own = name.split(".")
            name = ".".join([*(part for part in modules if part not in self.parts), own])
        for prefix in self.prefixes:
            if name.startswith(f"{prefix}.") and len(name) > len(prefix) + 1:
                name = name[len(prefix) + 1 :]
        return name

    def rename_of(self, stripped: str) -> Rule | None:
        """Return the rename that a stripped name meets."""
        for rule in self.renames:
            if stripped == rule.old or stripped.startswith(f"{rule.old}."):
                return rule
        return None

    def _renamed(self, name: str) -> str:
        rule = self.rename_of(name)
        return name if rule is None else rule.new + name[len(rule.old) :]

    def used_by(self, name: str) -> list[tuple[str, str]]:
        """Return the options that change a name, as (option, operand)."""
        modules = name.split(".")[:-1]
        used = [("--strip-part", part) for part in self.parts if part in modules]
        reached = Rules(self.parts).stripped(name)
        for prefix in self.prefixes:
            shorter = Rules((), (prefix,)).stripped(reached)
            if shorter != reached:
                used.append(("--strip-prefix", prefix))
            reached = shorter
        rule = self.rename_of(reached)
        if rule is not None:
            used.append(("--rename", f"{rule.old}={rule.new}"))
        return used

    def options(self) -> list[tuple[str, str]]:
        """Return all options, as (option, operand), in the order in which they apply."""
        return [
            *(("--strip-part", part) for part in self.parts),
            *(("--strip-prefix", prefix) for prefix in self.prefixes),
            *(("--rename", f"{rule.old}={rule.new}") for rule in self.renames),
        ]


def rule_between(found: str, wanted: str) -> Rule:
    """Return the shortest rule that turns one name into another: what their endings share stays."""
    left, right = found.split("."), wanted.split(".")
    common = 0
    while common < min(len(left), len(right)) and left[-1 - common] == right[-1 - common]:
        common += 1
    return Rule(".".join(left[: len(left) - common]), ".".join(right[: len(right) - common]))


def part_votes(found: Iterable[str], wanted: Mapping[str, object]) -> Counter[str]:
    """Count, for each part inside names, how many become wanted ones when it is taken out."""
    votes: Counter[str] = Counter()
    for name in _voters(found):
        *modules, own = name.split(".")
        for part in dict.fromkeys(modules[1:]):
            shorter = ".".join([*(one for one in modules if one != part), own])
            if shorter in wanted:
                votes[part] += 1
    return votes


def rule_votes(found: Mapping[str, object], wanted: Mapping[str, object]) -> Counter[Rule]:
    """Count the rules that the longest shared endings of names speak for.

    An ending that several wanted names of the same shape have says nothing, nor does a lone last
    part (``weight``) unless another name speaks for the same rule.

    Args:
        found: name → its shape.
        wanted: name → its shape.
    """
    endings = _by_ending(wanted)
    votes: Counter[Rule] = Counter()
    strong: set[Rule] = set()
    for name in _voters(found):
        match = _unique_match(name, found[name], wanted, endings)
        if match is None:
            continue
        rule = rule_between(name, match)
        votes[rule] += 1
        if len(name.split(".")) - len(_parts(rule.old)) > 1:
            strong.add(rule)
    for rule in [rule for rule, count in votes.items() if count == 1 and rule not in strong]:
        del votes[rule]
    return votes


def _by_ending(names: Iterable[str]) -> dict[str, list[str]]:
    endings: dict[str, list[str]] = {}
    for name in names:
        for ending in _endings(name):
            same = endings.setdefault(ending, [])
            if len(same) <= _MAX_CANDIDATES:
                same.append(name)
    return endings


def _unique_match(
    name: str, shape: object, wanted: Mapping[str, object], endings: Mapping[str, list[str]]
) -> str | None:
    """Return the one wanted name of that shape with the longest ending in common."""
    for ending in _endings(name):
        same = endings.get(ending, ())
        if len(same) > _MAX_CANDIDATES:
            return None
        fitting = [one for one in same if wanted[one] == shape]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _endings(name: str) -> Iterable[str]:
    """Yield a name, then what is left of it part by part; the longest first."""
    yield name
    position = -1
    for _ in range(_MAX_PARTS):
        position = name.find(".", position + 1)
        if position < 0:
            return
        yield name[position + 1 :]


def _parts(run: str) -> list[str]:
    return run.split(".") if run else []


def _voters(names: Iterable[str]) -> list[str]:
    return [name for name, _ in zip(names, range(_MAX_VOTERS), strict=False)]

"""Options of a conversion after which more of one model's names would fit the other.

Every rule is a guess from names, shapes and, where they are to be had, equal values; it is kept
only if it makes more names agree, and what comes out is put to the writer before it is shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from converter.comparison.renaming import Rule, Rules, part_votes, rule_between, rule_votes
from converter.errors import PlanError
from converter.readers.layouts import WRAPPERS, leading_prefix
from converter.writing.options import WriteOptions
from converter.writing.selection import select_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from converter.checkpoint.canonical import Checkpoint, Component
    from converter.checkpoint.tensor import TensorRef

    Shapes = Mapping[str, tuple[int, ...]]
    Digests = Callable[[Mapping[str, TensorRef]], Mapping[str, str]]

_MAX_RENAMES: Final = 24
_MAX_TRIALS: Final = 48
_MAX_PATTERNS: Final = 16
# Elements of a tensor whose values may speak for its name.
_MIN_ELEMENTS: Final = 4


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One option for `convert`.

    Attributes:
        option: such as ``--strip-prefix``.
        operand: what follows it.
        fixes: tensors it helps to agree; of an ``--include`` or ``--exclude``, unexpected ones
            that it keeps out.
    """

    option: str
    operand: str
    fixes: int


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Options that belong together, and what they would change.

    Attributes:
        options: in the order in which they apply.
        before: tensors whose name and shape agree now.
        after: tensors whose name and shape would agree.
        missing: expected names that would still be missing.
        unexpected: names that would still have no place.
    """

    options: tuple[Suggestion, ...]
    before: int
    after: int
    missing: int
    unexpected: int


def suggested(
    ours: Component, checkpoint: Checkpoint, theirs: Component, digests: Digests | None = None
) -> Suggestions | None:
    """Return options for a conversion of `checkpoint` by which `theirs` would fit `ours` better.

    Args:
        ours: what is expected.
        checkpoint: what `theirs` is a component of.
        theirs: what is found.
        digests: gives equal tensors equal digests; None where no bytes are to be read.

    Returns:
        None where nothing is to be gained.
    """
    search = _Search(ours.tensors, theirs.tensors)
    if not search.unexpected(Rules()):
        return None
    search.wrappers()
    search.parts()
    search.prefixes_and_renames(search.votes_of_names)
    if digests is not None:
        search.prefixes_and_renames(lambda: search.votes_of_values(digests))
    search.prune()
    rules = search.rules
    for patterns in (*search.patterns(), []):
        found = _put_to_the_writer(search, checkpoint, theirs, rules, patterns)
        if found is not None:
            return found
    return None


class _Search:
    """Looks for rules, one at a time, and keeps those that gain something."""

    def __init__(self, wanted: Mapping[str, TensorRef], found: Mapping[str, TensorRef]) -> None:
        self.wanted: Final = wanted
        self.found: Final = found
        self._wanted_shapes: Final = {name: tensor.shape for name, tensor in wanted.items()}
        self._found_shapes: Final = {name: tensor.shape for name, tensor in found.items()}
        self.rules = Rules()
        self._trials = 0
        self.score = self.matches(self.rules)

    def matches(self, rules: Rules) -> int:
        """Return how many names and shapes agree; -1 where two names become one."""
        new = [rules.apply(name) for name in self.found]
        if len(set(new)) < len(new):
            return -1
        return sum(
            self._wanted_shapes.get(name) == shape
            for name, shape in zip(new, self._found_shapes.values(), strict=True)
        )

    def unexpected(self, rules: Rules) -> list[str]:
        """Return the found names, as they are, that rules leave without a place."""
        return [name for name in self.found if rules.apply(name) not in self._wanted_shapes]

    def accept(self, rules: Rules) -> bool:
        """Take rules over if more agrees with them."""
        self._trials += 1
        score = self.matches(rules)
        if score <= self.score:
            return False
        self.rules, self.score = rules, score
        return True

    def wrappers(self) -> None:
        """Take the parts of wrappers out of names; `prune` puts back what was in vain."""
        unexpected = self.unexpected(self.rules)
        inside = {part for name in unexpected for part in name.split(".")[:-1]}
        known = {part for name in self.wanted for part in name.split(".")[:-1]}
        parts = [part for part in WRAPPERS if part in inside - known and part != "module"]
        self._keep_if_as_good(replace(self.rules, parts=tuple(parts)))
        leading = leading_prefix([self.rules.stripped(name) for name in unexpected])
        if leading and not leading_prefix(list(self.wanted)):
            self._keep_if_as_good(replace(self.rules, prefixes=(".".join(leading),)))

    def parts(self) -> None:
        """Take out other parts from the middle of names."""
        while self._trials < _MAX_TRIALS:
            left = [self.rules.apply(name) for name in self.unexpected(self.rules)]
            votes = part_votes(left, self._missing()).most_common(2)
            taken = any(
                self.accept(replace(self.rules, parts=(*self.rules.parts, part)))
                for part, count in votes
                if count > 1
            )
            if not taken:
                return

    def prefixes_and_renames(self, votes: Callable[[], Counter[Rule]]) -> None:
        """Try the rules with most votes until none gains anything."""
        refused: set[Rule] = set()
        while self._trials < _MAX_TRIALS:
            waiting = [rule for rule, _ in votes().most_common() if rule not in refused]
            if not waiting:
                return
            for rule in waiting:
                if self._trials >= _MAX_TRIALS or self._try(rule):
                    break
                refused.add(rule)

    def _try(self, rule: Rule) -> bool:
        if not rule.new:
            prefixes = (*self.rules.prefixes, rule.old)
            return self.accept(replace(self.rules, prefixes=prefixes))
        renames = {rule.old: rule} if rule.old else self._added(rule.new)
        renames = {**{known.old: known for known in self.rules.renames}, **renames}
        if len(renames) > _MAX_RENAMES or any("=" in old for old in renames):
            return False  # --rename OLD=NEW could not say it, or not be read
        # The first that fits is applied, so those that say most stand first.
        ordered = sorted(renames.values(), key=lambda one: -one.old.count("."))
        return self.accept(replace(self.rules, renames=tuple(ordered)))

    def _added(self, prefix: str) -> dict[str, Rule]:
        """Return renames that put a prefix before the names that are then expected."""
        tops = {}
        for name in self.unexpected(self.rules):
            stripped = self.rules.stripped(name)
            if f"{prefix}.{stripped}" in self._wanted_shapes:
                top = stripped.partition(".")[0]
                tops[top] = Rule(top, f"{prefix}.{top}")
        return tops

    def _missing(self) -> dict[str, tuple[int, ...]]:
        there = {self.rules.apply(name) for name in self.found}
        return {name: shape for name, shape in self._wanted_shapes.items() if name not in there}

    def votes_of_names(self) -> Counter[Rule]:
        """Return the rules that endings of names speak for."""
        left = {
            self.rules.stripped(name): self._found_shapes[name]
            for name in self.unexpected(self.rules)
        }
        return rule_votes(left, self._missing())

    def votes_of_values(self, digests: Digests) -> Counter[Rule]:
        """Return the rules that tensors speak for that are equal, and each the only one."""
        left = self.unexpected(self.rules)
        missing = self._missing()
        if not left or not missing:
            return Counter()
        found = _unique(digests(_telling(self.found, left)))
        wanted = _unique(digests(_telling(self.wanted, missing)))
        return Counter(
            rule_between(self.rules.stripped(name), wanted[digest])
            for digest, name in found.items()
            if digest in wanted
        )

    def prune(self) -> None:
        """Leave out the parts and prefixes without which as much agrees."""
        for part in self.rules.parts:
            kept = tuple(one for one in self.rules.parts if one != part)
            self._keep_if_as_good(replace(self.rules, parts=kept))
        for prefix in self.rules.prefixes:
            kept = tuple(one for one in self.rules.prefixes if one != prefix)
            self._keep_if_as_good(replace(self.rules, prefixes=kept))

    def _keep_if_as_good(self, rules: Rules) -> None:
        score = self.matches(rules)
        if score >= self.score:
            self.rules, self.score = rules, score

    def patterns(self) -> list[list[tuple[str, str]]]:
        """Return choices of options that keep out what has no place, if they are few.

        There is none where most of what is expected would still be missing: these are other
        models.
        """
        unplaced = self.unexpected(self.rules)
        placed = self.found.keys() - set(unplaced)
        if not unplaced or not placed or 2 * len(placed) < len(self.wanted):
            return []
        choices = []
        shared = _shared_run(placed)
        if shared and not any(name.startswith(f"{shared}.") for name in unplaced):
            choices.append([("--include", f"{_literal(shared)}.*")])
        runs = {run for name in placed for run in _runs(name)}
        chosen = dict.fromkeys(_pattern(name, runs) for name in unplaced)
        if len(chosen) <= _MAX_PATTERNS:
            choices.append([("--exclude", one) for one in chosen])
        return choices


def _put_to_the_writer(
    search: _Search,
    checkpoint: Checkpoint,
    component: Component,
    rules: Rules,
    patterns: Sequence[tuple[str, str]],
) -> Suggestions | None:
    """Return what the options would do, by the writer's own word; None if nothing of use."""
    alone = len(checkpoint.components) > 1 or not checkpoint.bare
    single = component.name in {one.name for one in checkpoint.components}
    options = WriteOptions(
        components=(component.name,) if alone and single else None,
        strip_prefixes=rules.prefixes,
        strip_parts=rules.parts,
        renames=tuple((rule.old, rule.new) for rule in rules.renames),
        include=tuple(operand for option, operand in patterns if option == "--include"),
        exclude=tuple(operand for option, operand in patterns if option == "--exclude"),
    )
    try:
        candidates, _ = select_tensors(checkpoint, options)
    except PlanError:
        return None
    wanted = search.wanted
    written = {one.wanted: one.tensor for one in candidates if one.component.name == component.name}
    after = sum(name in wanted and wanted[name].shape == t.shape for name, t in written.items())
    if len(written) < len(candidates) or after < search.score:
        return None
    before = search.matches(Rules())
    if not patterns and after <= before:
        return None
    unexpected = len(written.keys() - wanted.keys())
    if patterns and unexpected:  # a pattern may also match the name of the component
        return None
    return Suggestions(
        _counted(search, options, rules, patterns),
        before,
        after,
        len(wanted.keys() - written.keys()),
        unexpected,
    )


def _counted(
    search: _Search, options: WriteOptions, rules: Rules, patterns: Sequence[tuple[str, str]]
) -> tuple[Suggestion, ...]:
    """Return the options, each with the number of tensors it helps."""
    helped: Counter[tuple[str, str]] = Counter()
    for name, tensor in search.found.items():
        wanted = search.wanted.get(rules.apply(name))
        if wanted is not None and wanted.shape == tensor.shape:
            helped.update(rules.used_by(name))
    unplaced = search.unexpected(rules)
    found = [Suggestion("--component", name, search.score) for name in options.components or ()]
    found += [Suggestion(*pair, helped[pair]) for pair in rules.options()]
    for option, pattern in patterns:
        kept_out = unplaced if option == "--include" else _below(pattern, unplaced)
        found.append(Suggestion(option, pattern, len(kept_out)))
    return tuple(found)


def _telling(tensors: Mapping[str, TensorRef], names: Iterable[str]) -> dict[str, TensorRef]:
    """Return those of the named tensors that are no mere counters, equal by chance."""
    return {name: tensors[name] for name in names if tensors[name].numel >= _MIN_ELEMENTS}


def _unique(digests: Mapping[str, str]) -> dict[str, str]:
    """Return digest → name, of the digests that only one name has."""
    counts = Counter(digests.values())
    return {digest: name for name, digest in digests.items() if counts[digest] == 1}


def _runs(name: str) -> Iterable[str]:
    """Yield every leading run of whole parts, the name itself last."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def _shared_run(names: Iterable[str]) -> str:
    """Return the longest leading run of whole parts before the last that all names have."""
    first, *others = (name.split(".")[:-1] for name in names)
    for parts in others:
        while first != parts[: len(first)]:
            first.pop()
    return ".".join(first)


def _pattern(name: str, taken: set[str]) -> str:
    """Return a pattern for the widest run of a name that no kept name begins with."""
    run = next((run for run in _runs(name) if run not in taken), name)
    return _literal(run) if run == name else f"{_literal(run)}.*"


def _below(pattern: str, names: Iterable[str]) -> list[str]:
    run = pattern.removesuffix(".*") if pattern.endswith(".*") else None
    if run is None:
        return [name for name in names if _literal(name) == pattern]
    return [name for name in names if _literal(name).startswith(f"{run}.")]


def _literal(run: str) -> str:
    """Return a pattern that only this text matches."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in run)

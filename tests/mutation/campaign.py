"""Chooses mutants of one package, tries each, counts, and names those that nobody explains.

They are tried here and not by ``cosmic-ray exec``, because a fork of a process that has imported
pytest and torch starts at once, and meets only the tests that run its line.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import math
import random
import sys
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from tests.mutation import mutants, trial
from tests.mutation.packages import read_packages, read_survivors
from tests.mutation.sources import Source, changed_lines

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.mutation.mutants import Mutant, Session

_PRELOADED: Final = ("hypothesis.strategies", "msgspec", "numpy", "safetensors", "torch")
_SURVIVED: Final = frozenset({"lived", "never run"})


class Campaign:
    """The mutants of one package, tried in the folder this runs in."""

    def __init__(self, name: str, session: Session) -> None:
        """Prepare the package called `name` of ``packages.toml``; its mutants are in `session`."""
        package = read_packages()[name]
        self._name: Final = name
        self._session: Final = session
        self._sources: Final = {module: Source(module) for module in package.modules}
        for module in _PRELOADED:
            if importlib.util.find_spec(module.partition(".")[0]):
                importlib.import_module(module)
        gc.freeze()  # pytest collects garbage as it ends, and need not look through torch
        self._covered: Final = trial.cover(package)
        # A mutant must not leave its bytecode to the next one, nor find that of the original.
        sys.dont_write_bytecode = True
        for path in package.modules:
            for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                stale.unlink()

    def choose(self, share: float, seed: int) -> list[Mutant]:
        """Begin the session anew; return a share of each module's mutants."""
        by_module: dict[Path, list[Mutant]] = defaultdict(list)
        for mutant in self._evaluated(self._session.fill(list(self._sources))):
            by_module[mutant.module].append(mutant)
        chosen = []
        for module, found in sorted(by_module.items()):
            found.sort(key=lambda mutant: mutant.order)
            choice = random.Random(f"{seed} {module.as_posix()}")  # noqa: S311 - no secret
            chosen += choice.sample(found, math.ceil(len(found) * share))
        random.Random(seed).shuffle(chosen)  # noqa: S311 - so that any part is of all modules
        return chosen

    def try_all(self, chosen: Sequence[Mutant], minutes: float) -> bool:
        """Try mutants for so long, print what became of them; return whether one is a gap."""
        until = time.monotonic() + 60 * minutes
        found = []
        for mutant in chosen:
            found.append(self._try(mutant))
            if time.monotonic() > until:
                sys.stdout.write(f"time is up: {len(found)} of {len(chosen)} tried\n")
                break
        self._try_unmutated()
        return _tell(self._name, len(self._evaluated(self._session.mutants())), found)

    def _evaluated(self, found: Iterable[Mutant]) -> list[Mutant]:
        return [
            mutant
            for mutant in found
            if not self._sources[mutant.module].is_annotation(mutant.row, mutant.column)
        ]

    def _try_unmutated(self) -> None:
        """Show that a mutant dies of its mutation, and not of the way it is tried."""
        if trial.try_tests(set(self._covered.seconds), self._covered) != "lived":
            raise RuntimeError(f"unmutated sources do not pass: {trial.said()}")

    def _try(self, mutant: Mutant) -> tuple[str, tuple[str, str, str]]:
        """Try one mutant; return the outcome, and the module with its lines before and after."""
        source = self._sources[mutant.module]
        after = mutant.mutate(source.text)
        names = self._tests_of(mutant, source)
        source.path.write_text(after, encoding="utf-8")
        try:
            outcome = trial.try_tests(names, self._covered) if names else "never run"
        finally:
            source.path.write_text(source.text, encoding="utf-8")
        lived = outcome in _SURVIVED
        self._session.keep(mutant, outcome, lived=lived, before=source.text, after=after)
        change = (mutant.module.as_posix(), *changed_lines(source.text, after))
        where = f"{change[0]}:{mutant.row} in {mutant.definition}"
        sys.stdout.write(f"{outcome}: {where}: {change[1]!r} -> {change[2]!r}\n")
        sys.stdout.flush()
        return outcome, change

    def _tests_of(self, mutant: Mutant, source: Source) -> set[str]:
        module = mutant.module.as_posix()
        lines = source.lines_of(mutant.row, mutant.column)
        if lines is None or any((module, line) in self._covered.at_import for line in lines):
            return set(self._covered.seconds)
        runs = self._covered.tests_by_line
        return {name for line in lines for name in runs.get((module, line), ())}


def run(name: str, chosen: argparse.Namespace) -> bool:
    """Try mutants of a package as the command line asks; return whether one is a gap."""
    with mutants.opened(chosen.sessions / f"{name}.sqlite") as session:
        campaign = Campaign(name, session)
        if chosen.again:
            return campaign.try_all(session.survivors(), chosen.minutes)
        return campaign.try_all(campaign.choose(chosen.share, chosen.seed), chosen.minutes)


def _tell(name: str, in_all: int, found: Iterable[tuple[str, tuple[str, str, str]]]) -> bool:
    """Print the counts and the survivors that nobody explains; return whether there is one."""
    explained = {survivor.key for survivor in read_survivors()}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    gaps = []
    for outcome, change in found:
        counts[change[0]][outcome] += 1
        if outcome in _SURVIVED:
            counts[change[0]]["explained"] += change in explained
            if change not in explained:
                gaps.append((outcome, change))
    for outcome, (module, before, after) in gaps:
        sys.stdout.write(f"unexplained, {outcome}: {module}\n  - {before}\n  + {after}\n")
    for module, count in sorted(counts.items()):
        sys.stdout.write(f"{module}: {_score(count)}\n")
    total = sum(counts.values(), Counter[str]())
    sys.stdout.write(f"{name}: {in_all} mutants in all, {_score(total)}\n")
    return bool(gaps)


def _score(count: Counter[str]) -> str:
    killed, late = count["killed"], count["timed out"]
    lived, never = count["lived"], count["never run"]
    tried = killed + late + lived + never
    score = (killed + late) / tried if tried else 1.0
    return (
        f"{tried} tried, {killed} killed, {late} timed out, {lived} survived, {never} on lines "
        f"that no test runs, {count['explained']} explained: {score:.1%}"
    )

"""One run of the benchmarks: where it works, how much it measures, what it found."""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.processes import PYTHON, Run, Task, ratio, run_in_turns, table

if TYPE_CHECKING:
    from collections.abc import Sequence

MEGA: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; sizes of files in bytes.

    Attributes:
        large: what is compared with the copy and with torch.
        huge: the second size at which memory is measured.
        other: each of the other kinds of checkpoint.
        sparse: a checkpoint that is only scanned, with holes where its values would be.
        tensors: how many tiny tensors.
        opcodes: how many opcodes one pickle has.
        files: how many files are scanned in a folder beside other scanners.
        growth: the sizes at which a conversion is measured, ascending.
        folders: the numbers of files at which a scan is measured, ascending.
        rounds: how often each program is run.
        few_rounds: how often where a round takes minutes.
    """

    large: int
    huge: int
    other: int
    sparse: int
    tensors: int
    opcodes: int
    files: int
    growth: tuple[int, ...]
    folders: tuple[int, ...]
    rounds: int
    few_rounds: int


FULL: Final = Sizes(
    large=2000 * MEGA,
    huge=8000 * MEGA,
    other=400 * MEGA,
    sparse=10_000 * MEGA,
    tensors=100_000,
    opcodes=1_000_000,
    files=5_000,
    growth=tuple((16_000 * MEGA) >> step for step in range(7, -1, -1)),
    folders=(500, 1_000, 2_500, 5_000, 10_000, 20_000),
    rounds=5,
    few_rounds=3,
)
QUICK: Final = Sizes(
    large=100 * MEGA,
    huge=400 * MEGA,
    other=50 * MEGA,
    sparse=10_000 * MEGA,
    tensors=5_000,
    opcodes=100_000,
    files=200,
    growth=(50 * MEGA, 100 * MEGA, 200 * MEGA),
    folders=(100, 200, 400),
    rounds=3,
    few_rounds=2,
)


@dataclass(slots=True)
class Bench:
    """A benchmark run.

    Attributes:
        folder: for inputs and outputs.
        sizes: how much is measured.
        variables: environment of the measured processes.
        runs: table → task → its runs.
        bases: table → the task that its ratios are taken over.
        facts: section → figure → its value.
    """

    folder: Path
    sizes: Sizes
    variables: dict[str, str]
    runs: dict[str, dict[str, list[Run]]] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def target(self) -> Path:
        """Where conversions write."""
        return self.folder / "out.safetensors"

    def make(self, kind: str, amount: int) -> Path:
        """Return an input of this kind and size, written if it is not there yet."""
        path = self.folder / f"{kind}-{amount}.pth"
        if not path.exists():
            say(f"  writing {path.name}")
            self._python("-m", "benchmarks.inputs", f"{kind}:{amount}:{path}")
        return path

    def measure(
        self, name: str, tasks: list[Task], base: str, *, few: bool = False
    ) -> dict[str, list[Run]]:
        """Run tasks in turns and print their table; `few` where a round takes minutes."""
        rounds = self.sizes.few_rounds if few else self.sizes.rounds
        runs = run_in_turns(tasks, rounds, self.variables, note)
        self.runs[name], self.bases[name] = runs, base
        loads = [run.load for found in runs.values() for run in found]
        say("\n".join(table(runs, base)))
        say(f"load average {min(loads):.1f} to {max(loads):.1f}")
        return runs

    def conclude(self, section: str, figures: dict[str, float]) -> None:
        """Keep figures of a section and print them."""
        self.facts.setdefault(section, {}).update(figures)
        for name, value in figures.items():
            say(f"{name}: {value:.3g}")

    def result_of(self, *arguments: str) -> dict[str, float]:
        """Return the JSON object that a program of this package prints."""
        found: dict[str, float] = json.loads(self._python(*arguments))
        return found

    def _python(self, *arguments: str) -> str:
        outcome = subprocess.run(  # noqa: S603 - our own programs
            [PYTHON, *arguments], env=self.variables, check=True, stdout=subprocess.PIPE, text=True
        )
        return outcome.stdout


def with_rounds(sizes: Sizes, rounds: int | None) -> Sizes:
    """Return `sizes` with another number of rounds everywhere; None changes nothing."""
    return sizes if rounds is None else replace(sizes, rounds=rounds, few_rounds=rounds)


def steps(
    runs: dict[str, list[Run]], names: Sequence[str], amounts: Sequence[int], start: str
) -> list[float]:
    """Return, for each step from one amount to the next, growth of time over growth of amount.

    `names` are the tasks of the amounts. What a process takes to start, measured by the task
    `start`, grows with nothing and is taken off.
    """
    found = []
    pairs = itertools.pairwise(zip(names, amounts, strict=True))
    for (less, less_amount), (more, more_amount) in pairs:
        growth = ratio_less_start(runs, (less, more), start)
        found.append(growth / (more_amount / less_amount))
    return found


def ratio_less_start(runs: dict[str, list[Run]], pair: tuple[str, str], start: str) -> float:
    """Return the median, over the rounds, of the second task's time over the first's."""
    rounds = zip(runs[pair[0]], runs[pair[1]], runs[start], strict=True)
    return statistics.median(
        (more.wall_s - base.wall_s) / (less.wall_s - base.wall_s) for less, more, base in rounds
    )


def over(runs: dict[str, list[Run]], name: str, base: str) -> dict[str, float]:
    """Return the figure ``NAME over BASE``."""
    return {f"{name} over {base}": ratio(runs, name, base)}


def say(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print what goes on, apart from the result."""
    sys.stderr.write(text + "\n")

"""cosmic-ray's mutants and its session, as far as they are used here.

The session is cosmic-ray's own database: its `cr-report` and `cr-html` show it.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# cosmic-ray has no annotations and is installed where mutants are tried, not where types are
# checked.
_Untyped = Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change to one module.

    Attributes:
        key: its name in the session.
        module: the source, relative to the repository.
        row: line of the change, from 1.
        column: column of the change, from 0.
        definition: the function or class around it, or None.
        operator: cosmic-ray's name of the kind of change.
        occurrence: which of the changes of this kind in the module, from 0.
    """

    key: str
    module: Path
    row: int
    column: int
    definition: str | None
    operator: str
    occurrence: int

    @property
    def order(self) -> tuple[int, int, str, int]:
        """An order within a module that is the same in every session."""
        return self.row, self.column, self.operator, self.occurrence

    def mutate(self, text: str) -> str:
        """Return the module's text with the change."""
        operator: _Untyped = _cosmic_ray("plugins").get_operator(self.operator)
        mutated: str = _cosmic_ray("mutating").mutate_code(text, operator(), self.occurrence)
        return mutated


class Session:
    """The mutants of some modules, and what became of those that were tried."""

    def __init__(self, path: Path) -> None:
        """Open the session at `path`, or begin it."""
        self._database: _Untyped = _cosmic_ray("work_db").WorkDB(path, 1)

    def fill(self, modules: Sequence[Path]) -> list[Mutant]:
        """Forget everything; return all mutants of `modules`."""
        _cosmic_ray("commands").init(modules, self._database, {})
        return self.mutants()

    def mutants(self) -> list[Mutant]:
        """Return all mutants."""
        return [_mutant(item) for item in self._database.work_items]

    def survivors(self) -> list[Mutant]:
        """Return the mutants that no test has noticed."""
        return [
            _mutant(item)
            for item, result in self._database.completed_work_items
            if result.test_outcome == "survived"
        ]

    def keep(self, mutant: Mutant, outcome: str, *, lived: bool, before: str, after: str) -> None:
        """Keep what became of a mutant."""
        items = _cosmic_ray("work_item")
        path = mutant.module.as_posix()
        changes = difflib.unified_diff(
            before.split("\n"), after.split("\n"), f"a/{path}", f"b/{path}", lineterm=""
        )
        result = items.WorkResult(
            worker_outcome=items.WorkerOutcome.NORMAL,
            test_outcome="survived" if lived else "killed",
            output=outcome,
            diff="\n".join(changes),
        )
        self._database.set_result(mutant.key, result)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Session]:
    """Open a session, and close it afterwards."""
    with contextlib.closing(Session(path)) as session:
        yield session


def _cosmic_ray(name: str) -> _Untyped:
    return importlib.import_module(f"cosmic_ray.{name}")


def _mutant(item: _Untyped) -> Mutant:
    spec = item.mutations[0]
    row, column = spec.start_pos
    return Mutant(
        item.job_id,
        Path(spec.module_path),
        row,
        column,
        spec.definition_name,
        spec.operator_name,
        spec.occurrence,
    )

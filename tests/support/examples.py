"""Single examples of a strategy, the same ones at every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, Phase, find, given, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

_QUIET = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
)


def first_example(strategy: SearchStrategy[T]) -> T:
    """Return the first example that is made, which is the simplest."""
    found: list[T] = []

    @settings(_QUIET, max_examples=1, phases=[Phase.generate])
    @given(strategy)
    def take(example: T) -> None:
        found.append(example)

    take()
    return found[0]


def minimal(strategy: SearchStrategy[T], condition: Callable[[T], bool]) -> T:
    """Return the smallest example that fulfils a condition."""
    return find(strategy, condition, settings=settings(_QUIET, max_examples=2_000))

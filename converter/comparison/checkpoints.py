"""Two whole checkpoints held against each other, component by component."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import ComponentKind
from converter.comparison.changes import (
    ChangeKind,
    ElementComparison,
    TensorChange,
    measured,
    name_changes,
)
from converter.comparison.pairing import WHOLE, paired
from converter.comparison.suggestions import suggested
from converter.errors import FormatError
from converter.limits import DEFAULT_LIMITS
from converter.progress import SilentProgress
from converter.verification.digests import tensor_digests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from converter.checkpoint.canonical import Checkpoint, Component
    from converter.checkpoint.tensor import TensorRef
    from converter.comparison.pairing import Pairing
    from converter.comparison.suggestions import Suggestions
    from converter.limits import Limits
    from converter.progress import Progress

_ADVISED: Final = frozenset({ComponentKind.MODEL, ComponentKind.EXTRA})


@dataclass(frozen=True, slots=True, eq=False)
class ComponentComparison:
    """Two components held against each other.

    Attributes:
        a: what is there, and so expected.
        b: what is to be loaded.
        changes: the tensors that differ, in the order of a, then those that only b has.
        alike: tensors of which nothing differs that was compared.
        suggestions: options of a conversion of b after which more names would agree, if any.
    """

    a: Component
    b: Component
    changes: tuple[TensorChange, ...]
    alike: int
    suggestions: Suggestions | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointComparison:
    """Two checkpoints held against each other.

    Attributes:
        components: what was compared.
        only_a: components with tensors that only a has.
        only_b: components with tensors that only b has.
        partial: whether one side is a lone component: what the other holds beside its partner
            is then no difference.
    """

    components: tuple[ComponentComparison, ...]
    only_a: tuple[Component, ...]
    only_b: tuple[Component, ...]
    partial: bool

    @property
    def same(self) -> bool:
        """Return whether nothing differs that was compared."""
        if any(one.changes for one in self.components):
            return False
        return self.partial or not (self.only_a or self.only_b)


def compare_checkpoints(
    a: Checkpoint,
    b: Checkpoint,
    *,
    values: bool = True,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> CheckpointComparison:
    """Return how the tensors of `b` differ from those of `a`.

    Args:
        a: what is there: the weights that a model has, whose names it expects.
        b: what is to be loaded.
        values: whether elements are compared; names, shapes and dtypes always are.
        progress: told of bytes compared.
        limits: caps on overlaps and working memory.

    Raises:
        SourceError: a side cannot be read.
    """
    pairing = paired(a, b)
    watched = progress or SilentProgress()
    found = [name_changes(ours.tensors, theirs.tensors) for ours, theirs in pairing.pairs]
    changed = (
        _element_changes(pairing, [alike for _, alike in found], watched, limits)
        if values
        else [[] for _ in found]
    )
    components = []
    for (ours, theirs), (changes, alike), more in zip(pairing.pairs, found, changed, strict=True):
        measure = values and any(change.kind is ChangeKind.RETYPED for change in changes)
        listed = _measured(changes, limits) if measure else changes
        components.append(
            ComponentComparison(
                ours,
                theirs,
                _in_order(ours, [*listed, *more]),
                len(alike) - len(more),
                _suggestions(ours, b, theirs, values=values, limits=limits),
            )
        )
    return CheckpointComparison(
        tuple(components), pairing.only_a, pairing.only_b, partial=pairing.partial
    )


def _element_changes(
    pairing: Pairing, alike: Sequence[Sequence[str]], progress: Progress, limits: Limits
) -> list[list[TensorChange]]:
    """Return, for each pair of components, the tensors whose elements differ."""
    places = [(index, name) for index, names in enumerate(alike) for name in names]
    tensors = [
        (pairing.pairs[index][0].tensors[name], pairing.pairs[index][1].tensors[name])
        for index, name in places
    ]
    elements = ElementComparison(tensors, limits)
    elements.run(progress)
    found: list[list[TensorChange]] = [[] for _ in alike]
    for number, ((index, name), (ours, theirs)) in enumerate(zip(places, tensors, strict=True)):
        if number in elements.failed:
            reason = elements.failed[number]
            change = TensorChange(ChangeKind.INCOMPARABLE, name, ours, theirs, reason=reason)
            found[index].append(change)
        elif number in elements.counts:
            count = elements.counts[number]
            found[index].append(
                TensorChange(
                    ChangeKind.CHANGED,
                    name,
                    ours,
                    theirs,
                    count,
                    measured(ours, theirs, limits, name),
                )
            )
    return found


def _measured(changes: Sequence[TensorChange], limits: Limits) -> list[TensorChange]:
    """Return the changes, those between floating-point types with their size."""
    return [
        replace(change, magnitude=measured(change.a, change.b, limits, change.name))
        if change.kind is ChangeKind.RETYPED and change.a is not None and change.b is not None
        else change
        for change in changes
    ]


def _in_order(ours: Component, changes: Sequence[TensorChange]) -> tuple[TensorChange, ...]:
    order = {name: index for index, name in enumerate(ours.tensors)}
    return tuple(sorted(changes, key=lambda change: order.get(change.name, len(order))))


def _suggestions(
    ours: Component, b: Checkpoint, theirs: Component, *, values: bool, limits: Limits
) -> Suggestions | None:
    if WHOLE in (ours.name, theirs.name) or ours.kind not in _ADVISED:
        return None
    known: dict[tuple[object, ...], str | None] = {}

    def digests(tensors: Mapping[str, TensorRef]) -> Mapping[str, str]:
        """Hash tensors, each once however often it is asked for."""
        fresh = {t.view_key(): (n, t) for n, t in tensors.items() if t.view_key() not in known}
        try:
            hashed = tensor_digests(list(fresh.values()), None, limits)
        except FormatError:  # one that cannot be addressed; names still have their say
            hashed = [None] * len(fresh)
        known.update(zip(fresh, hashed, strict=True))
        found = {name: known[tensor.view_key()] for name, tensor in tensors.items()}
        return {name: digest for name, digest in found.items() if digest is not None}

    return suggested(ours, b, theirs, digests if values else None)

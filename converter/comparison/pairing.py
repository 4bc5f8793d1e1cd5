"""Which component of one checkpoint is held against which of the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Component, ComponentKind
from converter.verification.digests import plain_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from converter.checkpoint.canonical import Checkpoint

WHOLE: Final = "(all)"
"""Name of the component that stands for a whole checkpoint, its tensors by full name."""

# Pairs of components whose names are held against each other; more are matched by name only.
_MAX_OVERLAPS: Final = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """The components of two checkpoints that hold tensors, matched.

    Attributes:
        pairs: (of a, of b).
        only_a: those of a that have no partner.
        only_b: those of b that have no partner.
        partial: whether one side is a lone component, so that what the other side holds beside
            its partner is no difference.
    """

    pairs: tuple[tuple[Component, Component], ...]
    only_a: tuple[Component, ...]
    only_b: tuple[Component, ...]
    partial: bool


def paired(a: Checkpoint, b: Checkpoint) -> Pairing:
    """Return the components matched by name and kind, then by kind and most names in common.

    Where one side is a single component that holds the full names of the other's (a plain
    conversion of a bundle, say), the whole of one is held against the whole of the other.
    """
    ours, theirs = held_components(a), held_components(b)
    whole = _as_wholes(a, b, ours, theirs)
    if whole is not None:
        return whole
    pairs = _matching(ours, theirs)
    taken = {id(component) for pair in pairs for component in pair}
    order = {id(component): index for index, component in enumerate(ours)}
    return Pairing(
        tuple(sorted(pairs, key=lambda pair: order[id(pair[0])])),
        tuple(one for one in ours if id(one) not in taken),
        tuple(one for one in theirs if id(one) not in taken),
        partial=bool(pairs) and min(len(ours), len(theirs)) == 1,
    )


def held_components(checkpoint: Checkpoint) -> list[Component]:
    """Return the components with tensors, without those that a conversion left out."""
    found = []
    for component in checkpoint.components:
        held = {name: one for name, one in component.tensors.items() if not one.storage.left_out}
        if held:
            found.append(replace(component, tensors=held))
    return found


def _as_wholes(
    a: Checkpoint, b: Checkpoint, ours: Sequence[Component], theirs: Sequence[Component]
) -> Pairing | None:
    """Return both sides as one component each, where that makes more names agree."""
    if (len(ours) == 1) == (len(theirs) == 1) or not (ours and theirs):
        return None
    left, right = _whole(a, ours), _whole(b, theirs)
    full = len(left.tensors.keys() & right.tensors.keys())
    lone, many = (ours[0], theirs) if len(ours) == 1 else (theirs[0], ours)
    if full <= max((len(lone.tensors.keys() & one.tensors.keys()) for one in many), default=0):
        return None
    return Pairing(((left, right),), (), (), partial=False)


def _whole(checkpoint: Checkpoint, held: Sequence[Component]) -> Component:
    tensors = {
        checkpoint.full_name(component, name): tensor
        for component in held
        for name, tensor in component.tensors.items()
    }
    return Component(WHOLE, ComponentKind.EXTRA, (), None, tensors)


def _matching(
    ours: Sequence[Component], theirs: Sequence[Component]
) -> list[tuple[Component, Component]]:
    left, right = list(ours), list(theirs)
    pairs: list[tuple[Component, Component]] = []

    def pair_by(key: Callable[[Component], object]) -> None:
        waiting: dict[object, list[Component]] = {}
        for one in right:
            waiting.setdefault(key(one), []).append(one)
        for one in list(left):
            others = waiting.get(key(one))
            if others:
                take(one, others.pop(0))

    def take(one: Component, other: Component) -> None:
        pairs.append((one, other))
        left.remove(one)
        right.remove(other)

    if min(len(left), len(right)) > 1:  # a lone component is matched by what it holds
        pair_by(lambda component: (component.kind, component.name))
        pair_by(lambda component: component.name)
    for _, one, other in _by_overlap(left, right):
        if one in left and other in right:
            take(one, other)
    pair_by(lambda component: component.kind)
    if len(ours) == len(theirs) == 1 and not pairs:
        take(left[0], right[0])
    return pairs


def _by_overlap(
    left: Sequence[Component], right: Sequence[Component]
) -> list[tuple[int, Component, Component]]:
    """Return the pairs of one kind with names in common, most first; in order where they tie."""
    if len(left) * len(right) > _MAX_OVERLAPS:
        return []
    names = {id(one): {plain_name(name) for name in one.tensors} for one in (*left, *right)}
    found = [
        (len(names[id(one)] & names[id(other)]), one, other)
        for one in left
        for other in right
        if one.kind == other.kind
    ]
    return sorted((item for item in found if item[0]), key=lambda item: -item[0])

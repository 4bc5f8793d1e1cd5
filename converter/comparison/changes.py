"""What differs between the tensors of two components, down to how many elements and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from converter.comparison.magnitudes import Magnitude, is_measurable, magnitude
from converter.errors import LimitError, TensorError, UnsupportedError
from converter.verification.addressing import tensor_layout
from converter.verification.differences import Comparison
from converter.verification.stored_types import VALUES_PER_BYTE
from converter.verification.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits
    from converter.progress import Progress

_UNADDRESSABLE: Final = (TensorError, LimitError, UnsupportedError)


class ChangeKind(StrEnum):
    """How a tensor differs, as ``load_state_dict`` would meet it."""

    MISSING = "missing"
    """The name is in a and not in b: loading would leave the tensor as it is."""
    UNEXPECTED = "unexpected"
    """The name is in b and not in a: loading would have no place for it."""
    RESHAPED = "reshaped"
    """Loading would be refused, whether strict or not."""
    RETYPED = "retyped"
    """Loading would cast."""
    CHANGED = "changed"
    INCOMPARABLE = "incomparable"
    """The elements of one side are not there, or cannot be addressed."""


@dataclass(frozen=True, slots=True, eq=False)
class TensorChange:
    """One tensor that differs.

    Attributes:
        kind: how.
        name: inside the component.
        a: the tensor of a; None if it has none of that name.
        b: the tensor of b; None if it has none of that name.
        elements: how many differ; only for ``changed``.
        magnitude: by how much, of floating-point numbers; None where that means nothing.
        reason: why nothing can be said; only for ``incomparable``.
    """

    kind: ChangeKind
    name: str
    a: TensorRef | None
    b: TensorRef | None
    elements: int = 0
    magnitude: Magnitude | None = None
    reason: str | None = None


def name_changes(
    a: Mapping[str, TensorRef], b: Mapping[str, TensorRef]
) -> tuple[list[TensorChange], list[str]]:
    """Return what names, shapes and dtypes tell, and the names of which they tell nothing."""
    changes, alike = [], []
    for name, ours in a.items():
        theirs = b.get(name)
        if theirs is None:
            changes.append(TensorChange(ChangeKind.MISSING, name, ours, None))
        elif ours.shape != theirs.shape:
            changes.append(TensorChange(ChangeKind.RESHAPED, name, ours, theirs))
        elif ours.dtype is not theirs.dtype:
            changes.append(TensorChange(ChangeKind.RETYPED, name, ours, theirs))
        else:
            alike.append(name)
    changes += [
        TensorChange(ChangeKind.UNEXPECTED, name, None, theirs)
        for name, theirs in b.items()
        if name not in a
    ]
    return changes, alike


class ElementComparison:
    """Compares the elements of pairs of tensors of one shape and dtype, each pair once.

    Attributes:
        failed: index of a pair → why its elements cannot be compared.
        counts: index of a pair → how many elements differ.
    """

    __slots__ = ("_first", "_limits", "_pairs", "counts", "failed")

    def __init__(self, pairs: Sequence[tuple[TensorRef, TensorRef]], limits: Limits) -> None:
        """Prepare to compare `pairs`; those that are views of the same bytes share a result."""
        self._pairs: Final = pairs
        self._limits: Final = limits
        self._first: Final[dict[tuple[object, ...], int]] = {}
        for index, (a, b) in enumerate(pairs):
            self._first.setdefault((a.view_key(), b.view_key()), index)
        self.failed: Final[dict[int, str]] = {}
        self.counts: Final[dict[int, int]] = {}

    def run(self, progress: Progress) -> None:
        """Compare; to be called once.

        Raises:
            SourceError: a side cannot be read.
        """
        total = sum(self._pairs[index][0].nbytes for index in self._first.values())
        progress.begin("comparing", total)
        sweep = Sweep(self._comparisons(), progress, max_kept=len(self._first))
        for difference in sweep.run(total):
            self.counts[int(difference.name)] = difference.count
        progress.end()
        for index, (a, b) in enumerate(self._pairs):
            first = self._first[a.view_key(), b.view_key()]
            if first in self.counts:
                self.counts[index] = self.counts[first]
            if first in self.failed:
                self.failed[index] = self.failed[first]

    def _comparisons(self) -> Iterator[Comparison]:
        for index in self._first.values():
            a, b = self._pairs[index]
            if not a.numel:
                continue
            try:
                left = tensor_layout(a, self._limits, "a")
                right = tensor_layout(b, self._limits, "b")
            except _UNADDRESSABLE as error:
                self.failed[index] = str(error)
                continue
            per_unit = VALUES_PER_BYTE.get(a.dtype.name, 1)
            yield Comparison(
                left,
                right,
                self._limits,
                name=str(index),
                file="",
                shape=a.shape,
                per_unit=per_unit,
            )


def measured(a: TensorRef, b: TensorRef, limits: Limits, where: str) -> Magnitude | None:
    """Return by how much two tensors differ; None where numbers or bytes are not to be had.

    Raises:
        SourceError: a side cannot be read.
    """
    if not is_measurable(a, b) or not a.numel:
        return None
    try:
        return magnitude(a, b, limits, where)
    except _UNADDRESSABLE:
        return None

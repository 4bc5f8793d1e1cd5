"""The document of `diff`: how two checkpoints differ, in a frozen shape."""

# ruff: noqa: RUF012 - msgspec copies the default of every struct

from __future__ import annotations

from typing import Final

from converter.reporting.documents import ComponentLine, Frozen, SourceFacts

DIFF_SCHEMA: Final = "depickle/diff-report-v1"


class LoneTensor(Frozen, frozen=True):
    """A tensor that only one side has.

    Attributes:
        name: its name in the component.
        dtype: torch's name.
        shape: sizes.
    """

    name: str
    dtype: str
    shape: list[int]


class ReshapedTensor(Frozen, frozen=True):
    """A tensor of another shape; loading would be refused.

    Attributes:
        name: its name in the component.
        a: sizes that are expected.
        b: sizes that were found.
    """

    name: str
    a: list[int]
    b: list[int]


class RetypedTensor(Frozen, frozen=True):
    """A tensor of another dtype; loading would cast.

    Attributes:
        name: its name in the component.
        a: dtype that is expected.
        b: dtype that was found.
        max_abs_difference: the largest difference of two finite numbers; absent where either
            dtype is no floating-point type.
    """

    name: str
    a: str
    b: str
    max_abs_difference: float | None = None


class ChangedTensor(Frozen, frozen=True):
    """A tensor with other elements.

    Attributes:
        name: its name in the component.
        elements: how many differ in at least one bit.
        of: how many there are.
        dtype: torch's name.
        max_abs_difference: the largest difference of two finite numbers, computed in float64;
            absent where the dtype is no floating-point type.
        nonfinite: elements that differ where either is an infinity or no number.
    """

    name: str
    elements: int
    of: int
    dtype: str
    max_abs_difference: float | None = None
    nonfinite: int = 0


class IncomparableTensor(Frozen, frozen=True):
    """A tensor whose elements cannot be compared, because one side has none or no valid place.

    Attributes:
        name: its name in the component.
        reason: why.
    """

    name: str
    reason: str


class SuggestedOption(Frozen, frozen=True):
    """One option of `convert`.

    Attributes:
        option: such as ``--strip-prefix``.
        operand: what follows it.
        fixes: tensors that it helps to agree; of ``--include`` and ``--exclude``, unexpected ones
            that it keeps out.
    """

    option: str
    operand: str
    fixes: int


class SuggestionLine(Frozen, frozen=True):
    """A conversion of b after which more of its names would agree with those of a.

    Attributes:
        command: the whole command, with ``OUT.safetensors`` for the output.
        options: its options, which belong together.
        agreeing_before: tensors whose name and shape agree now.
        agreeing_after: tensors whose name and shape would agree.
        missing_after: expected names that would still be missing.
        unexpected_after: names that would still have no place.
    """

    command: str
    options: list[SuggestedOption]
    agreeing_before: int
    agreeing_after: int
    missing_after: int
    unexpected_after: int


class ComponentDiff(Frozen, frozen=True):
    """One component of a held against one of b.

    Attributes:
        a: its name in a; ``(all)`` where the whole is compared by full names.
        b: the name of its partner in b.
        kind: model, optimizer, scheduler or extra.
        alike: tensors of which nothing differs that was compared.
        missing: names that are expected and not there.
        unexpected: names that are there and not expected.
        reshaped: tensors of another shape.
        retyped: tensors of another dtype.
        changed: tensors of the same shape and dtype with other elements.
        incomparable: tensors about whose elements nothing can be said.
        suggestion: what would make more names agree, if anything would.
    """

    a: str
    b: str
    kind: str
    alike: int
    missing: list[LoneTensor] = []
    unexpected: list[LoneTensor] = []
    reshaped: list[ReshapedTensor] = []
    retyped: list[RetypedTensor] = []
    changed: list[ChangedTensor] = []
    incomparable: list[IncomparableTensor] = []
    suggestion: SuggestionLine | None = None


class DiffReport(Frozen, frozen=True, tag_field="schema", tag=DIFF_SCHEMA):
    """What `diff` found: b as it would be met where the weights of a are expected.

    Attributes:
        a: what is there.
        b: what is to be loaded.
        same: whether nothing differs that was compared.
        values: whether elements were compared, or names, shapes and dtypes alone.
        components: what was compared.
        only_a: components with tensors that only a has.
        only_b: components with tensors that only b has.
        partial: whether one side is a single component: what the other holds beside its partner
            is then no difference.
    """

    a: SourceFacts
    b: SourceFacts
    same: bool
    values: bool
    components: list[ComponentDiff]
    only_a: list[ComponentLine] = []
    only_b: list[ComponentLine] = []
    partial: bool = False

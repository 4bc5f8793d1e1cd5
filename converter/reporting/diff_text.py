"""A diff as the text a person reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.reporting.terminal_text import count_text, printable, size_text, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converter.reporting.diff_documents import (
        ChangedTensor,
        ComponentDiff,
        DiffReport,
        LoneTensor,
        SuggestionLine,
    )
    from converter.reporting.documents import ComponentLine, SourceFacts

# A list longer than this shows its beginning, unless everything is asked for.
_SHOWN_LINES: Final = 20


def diff_text(report: DiffReport, *, everything: bool = False) -> str:
    """Return what a diff found; `everything` cuts no list."""
    lines = [_source("A", report.a), _source("B", report.b)]
    for component in report.components:
        lines += ["", _summary(component)]
        lines += _lists(component, everything=everything)
        if component.suggestion is not None:
            lines += _suggestion(component.suggestion)
    remark = ", not compared" if report.partial else ""
    lines += _lone_components(f"only in A{remark}", report.only_a)
    lines += _lone_components(f"only in B{remark}", report.only_b)
    what = "names, shapes, dtypes and values" if report.values else "names, shapes and dtypes"
    alike = sum(component.alike for component in report.components)
    verdict = f"same: {what} of {count_text(alike, 'tensor')}" if report.same else "differs"
    return "\n".join([*lines, "", verdict])


def _source(side: str, source: SourceFacts) -> str:
    return f"{side}: {printable(source.name)}: {size_text(source.nbytes)}, {source.container}"


def _summary(component: ComponentDiff) -> str:
    name = printable(component.a)
    if component.b != component.a:
        name += f" against {printable(component.b)}"
    counts = [f"{count_text(component.alike, 'tensor')} alike"]
    for what in ("missing", "unexpected", "reshaped", "retyped", "changed", "incomparable"):
        count = len(getattr(component, what))
        if count:
            counts.append(f"{count:,} {what}")
    return f"{name} ({component.kind}): {', '.join(counts)}"


def _lists(component: ComponentDiff, *, everything: bool) -> list[str]:
    titled = {
        "missing: A has it, B has not": _lone_rows(component.missing),
        "unexpected: B has it, A has not": _lone_rows(component.unexpected),
        "reshaped": [
            [printable(one.name), _shape(one.a), "in B", _shape(one.b)]
            for one in component.reshaped
        ],
        "retyped": [
            [printable(one.name), one.a, "in B", one.b, _by(one.max_abs_difference)]
            for one in component.retyped
        ],
        "changed": [_changed_row(one) for one in component.changed],
        "incomparable": [
            [printable(one.name), printable(one.reason)] for one in component.incomparable
        ],
    }
    lines = []
    for title, rows in titled.items():
        if rows:
            shown = rows if everything else rows[:_SHOWN_LINES]
            lines += [f"  {title}", *(f"  {line}" for line in table(shown))]
            if len(shown) < len(rows):
                lines.append(f"    … {len(rows) - len(shown):,} more; --all shows them")
    return lines


def _lone_rows(tensors: Sequence[LoneTensor]) -> list[list[str]]:
    return [[printable(one.name), one.dtype, _shape(one.shape)] for one in tensors]


def _changed_row(one: ChangedTensor) -> list[str]:
    difference = _by(one.max_abs_difference)
    if one.nonfinite:
        difference += f", {one.nonfinite:,} not finite"
    return [printable(one.name), one.dtype, f"{one.elements:,} of {one.of:,} elements", difference]


def _shape(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes)) or "scalar"


def _by(difference: float | None) -> str:
    return "" if difference is None else f"by at most {difference:.6g}"


def _suggestion(found: SuggestionLine) -> list[str]:
    rows = [
        [one.option, printable(one.operand), f"helps {count_text(one.fixes, 'tensor')}"]
        for one in found.options
    ]
    after = f"{found.missing_after:,} still missing, {found.unexpected_after:,} unexpected"
    agree = f"{found.agreeing_after:,} names and shapes would agree, now {found.agreeing_before:,}"
    return [
        f"  {agree} ({after}), after",
        f"    {printable(found.command)}",
        *(f"    {line}" for line in table(rows)),
    ]


def _lone_components(title: str, components: Sequence[ComponentLine]) -> list[str]:
    rows = [
        [printable(one.name), one.kind, count_text(one.tensors, "tensor")] for one in components
    ]
    return ["", title, *table(rows)] if rows else []

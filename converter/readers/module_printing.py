"""Prints a pickled module as ``repr(model)`` would, without its class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import GlobalValue, InertValue, Value
from converter.limits import DEFAULT_LIMITS, Limits
from converter.readers.module_additions import is_reference
from converter.readers.module_formatters import FORMATTERS
from converter.readers.modules import QUANTIZED, ModuleView, view_of
from converter.readers.printed_module import PrintedModule
from converter.readers.python_texts import printable, python_value
from converter.readers.quantized_formatters import (
    QUANTIZED_FORMATTERS,
    is_hidden_child,
    quantized_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_TEXT: Final = 1 << 22
_TORCH: Final = ("torch.nn.", "torch.ao.nn.")


def print_module(value: Value, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return the text of ``print(model)`` for a pickled module.

    Classes outside torch show their name and what is inside them. A module that contains itself,
    lies deeper than `Limits.max_depth` or whose text exceeds 4 MiB shows as ``Name(...)``. Control
    characters of names in the file are escaped.
    """
    return _Printer(limits).text_of(value)


class _Printer:
    """Prints every module once, innermost first, without Python's recursion."""

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = limits
        self._texts: Final[dict[int, str]] = {}

    def text_of(self, root: Value) -> str:
        views: dict[int, ModuleView] = {}
        on_path: set[int] = set()
        stack: list[tuple[Value, int]] = [(root, 0)]
        while stack:
            value, depth = stack[-1]
            key = id(value)
            if key in self._texts:
                stack.pop()
                continue
            view = views.get(key) or view_of(value)
            if view is None or depth > self._limits.max_depth:
                self._texts[key] = _outline(value)
                stack.pop()
                continue
            if key in on_path:
                # What is inside has its text, or is on the path itself and is outlined.
                self._texts[key] = self._printed(view)
                on_path.discard(key)
                stack.pop()
                continue
            views[key] = view
            on_path.add(key)
            stack.extend(
                (child, depth + 1)
                for _, child in reversed(view.modules)
                if id(child) not in on_path and id(child) not in self._texts
            )
        return self._texts[id(root)]

    def _printed(self, view: ModuleView) -> str:
        children = [
            (name, self._texts.get(id(child)) or _outline(child))
            for name, child in view.modules
            if not is_hidden_child(view, child)
        ]
        extra = _extra_lines(view)
        size = sum(len(text) + text.count("\n") * 2 for _, text in children)
        if size > _MAX_TEXT:
            return _outline(view.value)
        name = _name_of(view)
        if view.class_name in ("torch.nn.modules.container.ModuleList", "torch.nn.ModuleList"):
            return _listed(name, [text for _, text in children])
        lines = [f"({printable(key)}): {_indented(text)}" for key, text in children]
        if len(extra) == 1 and not lines:
            return f"{name}({extra[0]})"
        return _enclosed(name, [*extra, *lines])


def _enclosed(name: str, lines: list[str]) -> str:
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{name}()"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _listed(name: str, texts: list[str]) -> str:
    """Return a ModuleList: equal neighbours are written once, with their number."""
    runs: list[tuple[int, int]] = []
    for index, text in enumerate(texts):
        if runs and texts[runs[-1][0]] == text:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    lines = []
    for first, last in runs:
        label = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
        lines.append(_indented(label + texts[first]))
    return _enclosed(name, lines)


def _extra_lines(view: ModuleView) -> list[str]:
    """Return what the class's ``extra_repr`` would give, in lines."""
    if not view.class_name.startswith(_TORCH):
        return []
    formatter: Callable[[PrintedModule], str] | None = None
    if QUANTIZED.match(view.class_name) and not is_reference(view):
        formatter = QUANTIZED_FORMATTERS.get(view.short_name)
    formatter = formatter or FORMATTERS.get(view.short_name)
    text = formatter(PrintedModule(view)) if formatter is not None else ""
    if not text:
        return []
    # Only ParameterList and ParameterDict write several lines, whose names are escaped already.
    lines = text.split("\n") if view.short_name.startswith("Parameter") else [text]
    return [printable(line) for line in lines]


def _name_of(view: ModuleView) -> str:
    name = view.short_name
    if QUANTIZED.match(view.class_name):
        name = quantized_name(view)
    given = view.attributes.get("_graphmodule_cls_name")
    if view.class_name.startswith("torch.fx.") and isinstance(given, str):
        name = given
    return printable(name)


def _outline(value: Value) -> str:
    """Return what stands for something that is not printed from its inside."""
    if isinstance(value, InertValue):
        view = view_of(value)
        name = view.short_name if view is not None else value.class_name.rpartition(".")[2]
        return f"{printable(name)}(...)"
    if isinstance(value, GlobalValue):
        return f"<{printable(value.full_name)}>"
    return printable(repr(python_value(value)))

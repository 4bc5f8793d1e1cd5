"""A module under mutation: its text, and what its syntax tree says of a position."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_Located: TypeAlias = ast.stmt | ast.expr
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class _Span:
    """From the first to the last position of something, each (line, column)."""

    start: tuple[int, int]
    stop: tuple[int, int]

    @classmethod
    def of(cls, first: _Located, last: _Located) -> _Span:
        end = (last.end_lineno or last.lineno, last.end_col_offset or last.col_offset)
        return cls((first.lineno, first.col_offset), end)

    def holds(self, row: int, column: int) -> bool:
        return self.start <= (row, column) <= self.stop


class Source:
    """One source file."""

    def __init__(self, path: Path) -> None:
        """Read the file at `path`."""
        self.path: Final = path
        self.text: Final = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(self.text)))
        self._annotations = [_Span.of(one, one) for node in nodes for one in _annotations(node)]
        self._bodies = [_body(node) for node in nodes if isinstance(node, _Function)]
        self._statements = [node for node in nodes if isinstance(node, ast.stmt)]

    def is_annotation(self, row: int, column: int) -> bool:
        """Return whether a position is in an annotation: those are never evaluated here."""
        return any(span.holds(row, column) for span in self._annotations)

    def lines_of(self, row: int, column: int) -> range | None:
        """Return the lines of the statement at a position, or of its head if it has a body.

        Returns:
            Line numbers; None outside of functions' bodies, where lines run at import.
        """
        if not any(span.holds(row, column) for span in self._bodies):
            return None
        statement = max(
            (node for node in self._statements if _Span.of(node, node).holds(row, column)),
            key=lambda node: (node.lineno, node.col_offset),
        )
        inner: list[ast.stmt] | None = getattr(statement, "body", None)
        last = inner[0].lineno - 1 if inner else statement.end_lineno or statement.lineno
        return range(statement.lineno, max(last, row) + 1)


def changed_lines(before: str, after: str) -> tuple[str, str]:
    """Return the lines in which two texts differ, stripped, joined by newlines."""
    old, new = before.splitlines(), after.splitlines()
    codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    spans = [span for kind, *span in codes if kind != "equal"]
    return (
        "\n".join(line.strip() for start, stop, _, _ in spans for line in old[start:stop]),
        "\n".join(line.strip() for _, _, start, stop in spans for line in new[start:stop]),
    )


def _annotations(node: ast.AST) -> Iterator[ast.expr]:
    for name in ("annotation", "returns"):
        if isinstance(one := getattr(node, name, None), ast.expr):
            yield one


def _body(node: _Function) -> _Span:
    """Return where a function's own code stands: decorators and defaults run at import."""
    if isinstance(node, ast.Lambda):
        return _Span.of(node.body, node.body)
    return _Span.of(node.body[0], node.body[-1])

"""No function is longer than a screen or two, no module longer than a sitting."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from tests.structure.source_tree import Module, parse_module, read_modules

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FUNCTION_LINES: Final = 60
MAX_MODULE_LINES: Final = 400
# Paths, or "path: function", that may be longer, each with its reason beside it.
ALLOWED: Final[frozenset[str]] = frozenset()


def long_ones(modules: Iterable[Module]) -> dict[str, int]:
    """Measure, in lines, what is longer than its limit."""
    found = {}
    for module in modules:
        lines = len(module.text.splitlines())
        if lines > MAX_MODULE_LINES:
            found[module.path] = lines
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    found[f"{module.path}: {node.name}"] = lines
    return found


def size_violations(modules: Iterable[Module], allowed: frozenset[str]) -> list[str]:
    """List what is too long without being allowed to, and allowances nobody needs."""
    found = long_ones(modules)
    return [
        *(f"{name}: {lines} lines" for name, lines in found.items() if name not in allowed),
        *(f"{name}: allowed without need" for name in sorted(allowed - found.keys())),
    ]


def test_converter_is_in_small_pieces() -> None:
    assert size_violations(read_modules("converter"), ALLOWED) == []


def test_violation_is_seen() -> None:
    body = "def f():\n" + "    pass\n" * MAX_FUNCTION_LINES
    module = parse_module("converter/a.py", body + "#\n" * MAX_MODULE_LINES)
    assert size_violations([module], frozenset()) == [
        f"converter/a.py: {MAX_MODULE_LINES + MAX_FUNCTION_LINES + 1} lines",
        f"converter/a.py: f: {MAX_FUNCTION_LINES + 1} lines",
    ]
    assert size_violations([module], frozenset({"converter/a.py", "converter/a.py: f"})) == []


def test_limits_themselves_pass() -> None:
    body = "def f():\n" + "    pass\n" * (MAX_FUNCTION_LINES - 1)
    module = parse_module("a.py", body + "#\n" * (MAX_MODULE_LINES - MAX_FUNCTION_LINES))
    assert size_violations([module], frozenset()) == []
    assert size_violations([module], frozenset({"a.py"})) == ["a.py: allowed without need"]

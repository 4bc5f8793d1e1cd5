"""Every module, public class and public function says in one sentence what it is."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.structure.source_tree import Module, parse_module, read_modules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

# Decorators whose function shares the docstring of another one of the same name.
SHARED: Final = ("overload", ".setter", ".deleter")
TWO_SENTENCES: Final = re.compile(r"[.!?] +[A-Z]")


def iter_public(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield public classes and functions, and those inside public classes."""
    for node in body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        if any(ast.unparse(decorator).endswith(SHARED) for decorator in node.decorator_list):
            continue
        yield f"{prefix}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from iter_public(node.body, f"{prefix}{node.name}.")


def sentence_fault(docstring: str | None) -> str | None:
    """Say what is wrong with the first line of a docstring, or None."""
    first = (docstring or "").partition("\n")[0].strip()
    if not first:
        return "no docstring that starts on its first line"
    if not first.endswith((".", "!", "?")):
        return "the first line is no whole sentence"
    if TWO_SENTENCES.search(first):
        return "the first line is more than one sentence"
    return None


def docstring_violations(modules: Iterable[Module]) -> list[str]:
    """List what has no docstring, or one that does not start with one sentence."""
    found = []
    for module in modules:
        fault = sentence_fault(ast.get_docstring(module.tree, clean=False))
        if fault is not None:
            found.append(f"{module.path}: {fault}")
        for name, node in iter_public(module.tree.body):
            fault = sentence_fault(ast.get_docstring(node, clean=False))
            if fault is not None:
                found.append(f"{module.path}:{node.lineno}: {name}: {fault}")
    return found


def test_converter_is_described() -> None:
    assert docstring_violations(read_modules("converter")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.py: no docstring that starts on its first line"),
        ("import os\n'''Late.'''", "a.py: no docstring that starts on its first line"),
        ("'''\nBelow.\n'''", "a.py: no docstring that starts on its first line"),
        ("'''No full stop'''", "a.py: the first line is no whole sentence"),
        ("'''One. Two.'''", "a.py: the first line is more than one sentence"),
        ("'''M.'''\ndef f(): ...", "a.py:2: f: no docstring that starts on its first line"),
        (
            "'''M.'''\nclass A:\n    '''A.'''\n    async def f(self): ...",
            "a.py:4: A.f: no docstring that starts on its first line",
        ),
    ],
)
def test_violation_is_seen(text: str, message: str) -> None:
    assert docstring_violations([parse_module("a.py", text)]) == [message]


def test_private_and_shared_need_none() -> None:
    text = (
        "'''M.'''\n"
        "def _f(): ...\n"
        "class _A:\n    def f(self): ...\n"
        "@typing.overload\ndef g(): ...\n"
        "def g():\n    '''Nested functions explain themselves, e.g. this.'''\n    def h(): ...\n"
    )
    assert docstring_violations([parse_module("a.py", text)]) == []

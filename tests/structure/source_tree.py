"""The sources under judgement, parsed: what the tests of this folder look at."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Module:
    """One Python source file.

    Attributes:
        path: where it stands, relative to the repository, with forward slashes.
        text: its source.
        tree: its syntax tree.
    """

    path: str
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name; a package's ``__init__`` has the package's."""
        return self.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @property
    def is_package(self) -> bool:
        """Whether this is a package's ``__init__``."""
        return self.path.endswith("/__init__.py")


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name.

    Attributes:
        lineno: the line it stands on.
        module: the module after ``import`` or ``from``, with its leading dots.
        name: the name after ``from … import``, or None for a plain import.
    """

    lineno: int
    module: str
    name: str | None

    @property
    def dotted(self) -> str:
        """The module and the name as one path."""
        return self.module if self.name is None else f"{self.module}.{self.name}"


def parse_module(path: str, text: str) -> Module:
    """Parse a source, real or made up, that claims to stand at a path of the repository."""
    return Module(path, text, ast.parse(text, path))


def read_modules(folder: str) -> list[Module]:
    """Read every Python source below a folder of the repository, in the order of paths."""
    return [
        parse_module(path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
    ]


def iter_imports(tree: ast.AST) -> Iterator[Import]:
    """Yield every import, wherever it stands: in functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield Import(node.lineno, module, alias.name)


class Names:
    """What the names of one module stand for, as far as its imports tell."""

    def __init__(self, tree: ast.Module) -> None:
        """Read the imports of a module."""
        self._meanings: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self._meanings[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    self._meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def resolve(self, node: ast.AST) -> str | None:
        """Spell out a name or an attribute path, or None for any other expression."""
        if isinstance(node, ast.Name):
            return self._meanings.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value)
            return None if owner is None else f"{owner}.{node.attr}"
        return None

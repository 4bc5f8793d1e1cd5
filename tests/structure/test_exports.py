"""Every package lists what it offers, truthfully and in order."""

from __future__ import annotations

import ast
import importlib
import re
import types
from typing import TYPE_CHECKING

import pytest

from tests.structure.source_tree import Module, parse_module, read_modules

if TYPE_CHECKING:
    from collections.abc import Iterable


def declared(tree: ast.Module) -> list[str] | None:
    """Read the literal value of ``__all__``, or None where there is none."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if names == ["__all__"] and isinstance(node, ast.Assign | ast.AnnAssign):
            return list(ast.literal_eval(node.value)) if node.value else None
    return None


def order_key(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Sort constants, then classes, then the rest, digits by value: the order ruff writes."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    parts = re.findall(r"\d+|\D+", name)
    return kind, [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def declaration_violations(packages: Iterable[Module]) -> list[str]:
    """List packages without ``__all__`` and lists that repeat themselves or are out of order."""
    found = []
    for package in packages:
        names = declared(package.tree)
        if names is None:
            found.append(f"{package.path}: no __all__")
        elif len(set(names)) < len(names):
            found.append(f"{package.path}: __all__ repeats a name")
        elif names != sorted(names, key=order_key):
            found.append(f"{package.path}: __all__ is not sorted: {sorted(names, key=order_key)}")
    return found


def existence_violations(name: str) -> list[str]:
    """List what is wrong with a package once it is imported."""
    try:
        package = importlib.import_module(name)
    except ImportError as error:
        return [f"{name}: cannot be imported: {error}"]
    return [f"{name}: __all__ promises {absent}" for absent in absent_names(package)]


def absent_names(module: types.ModuleType) -> list[str]:
    """List the names that a module declares and does not have."""
    return [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]


def packages() -> list[Module]:
    """Read the packages of the converter, itself among them."""
    return [module for module in read_modules("converter") if module.is_package]


def test_every_package_declares_in_order() -> None:
    assert declaration_violations(packages()) == []


def test_every_declared_name_exists() -> None:
    found = [fault for package in packages() for fault in existence_violations(package.name)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from converter.inert.nodes import Node", "no __all__"),
        ("__all__ = ['b', 'a']", "not sorted"),
        ("__all__ = ['a', 'A']", "not sorted"),
        ("__all__ = ['A', 'MAX']", "not sorted"),
        ("__all__: list[str] = ['a', 'a']", "repeats"),
    ],
)
def test_violation_is_seen(text: str, message: str) -> None:
    (found,) = declaration_violations([parse_module("converter/inert/__init__.py", text)])
    assert message in found


@pytest.mark.parametrize("names", [[], ["MAX", "Alpha", "Beta", "__version__", "a2", "a10", "b"]])
def test_honest_declaration_passes(names: list[str]) -> None:
    package = parse_module("converter/inert/__init__.py", f"__all__ = {names!r}")
    assert declaration_violations([package]) == []


def test_absent_name_is_seen() -> None:
    module = types.ModuleType("made_up")
    module.__dict__.update(__all__=["here", "gone"], here=1)
    assert absent_names(module) == ["gone"]


def test_failing_import_is_seen() -> None:
    (found,) = existence_violations("converter.no_such_package")
    assert found.startswith("converter.no_such_package: cannot be imported")

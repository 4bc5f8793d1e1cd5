"""Nothing that can run a file's pickle is within reach of the package, nor of a careless test."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

import pytest

from tests.structure.source_tree import Module, Names, iter_imports, parse_module, read_modules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Modules that build what a byte stream names.
UNPICKLERS: Final = frozenset(
    {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
)
# Where torch may be imported, inside a function: the oracle, the live tensors, and the strategies
# that make live tensors and let torch save them.
TORCH_ALLOWED: Final = frozenset(
    {
        "converter/verification/torch_oracle.py",
        "converter/checkpoint/live.py",
        "converter/strategies/checkpoints.py",
        "converter/strategies/invented.py",
        "converter/strategies/modules.py",
        "converter/strategies/optimizers.py",
        "converter/strategies/saving.py",
        "converter/strategies/showing.py",
        "converter/strategies/tensors.py",
    }
)
# Ways from a string to running code.
EVALUATORS: Final = frozenset(
    {
        *("eval", "exec", "compile", "__import__"),
        *("builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__"),
        *("importlib.import_module", "importlib.__import__", "pkgutil.resolve_name"),
        *("pydoc.locate", "runpy.run_module", "runpy.run_path"),
    }
)
# Tests that load a pickle they wrote themselves, by path, each with its reason.
PICKLE_LOADING_TESTS: Final[frozenset[str]] = frozenset(
    {
        # CPython's unpickler as the oracle of the machine: its find_class allows a dozen harmless
        # names, and it loads only streams that the same test has just written.
        "tests/differential/test_machine_against_unpickler.py",
        # The same as the oracle of names: its find_class gives one inert class for every name, and
        # it loads only files of ours that are known to be benign.
        "tests/differential/test_scan_against_unpickler.py",
    }
)


def iter_loads(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of every use of a loader that runs what the stream names."""
    names = Names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            owner, _, attribute = (names.resolve(node) or "").rpartition(".")
            if owner in UNPICKLERS and attribute in {"load", "loads", "Unpickler", "open"}:
                yield node.lineno, f"{owner}.{attribute}"
        elif isinstance(node, ast.Call):
            called = names.resolve(node.func)
            for keyword in node.keywords:
                is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if called == "torch.load" and keyword.arg == "weights_only" and not is_true:
                    yield node.lineno, "torch.load without weights_only=True"
                if called == "numpy.load" and keyword.arg == "allow_pickle":
                    yield node.lineno, "numpy.load with allow_pickle"


def iter_evaluators(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of every mention of a way from a string to running code."""
    names = Names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            name = names.resolve(node)
            if name in EVALUATORS:
                yield node.lineno, name


def converter_violations(modules: Iterable[Module]) -> list[str]:
    """List imports of unpicklers and of torch, and every way from a string to running code."""
    found = []
    for module in modules:
        for entry in iter_imports(module.tree):
            top = entry.module.partition(".")[0]
            if top in UNPICKLERS or (top == "torch" and module.path not in TORCH_ALLOWED):
                found.append(f"{module.path}:{entry.lineno}: imports {top}")
        uses = [*iter_evaluators(module.tree), *iter_loads(module.tree)]
        found += [f"{module.path}:{line}: uses {name}" for line, name in uses]
    return found


def loading_violations(modules: Iterable[Module], allowed: frozenset[str]) -> list[str]:
    """List tests that load pickles without being allowed to, and allowances nobody needs."""
    uses = {module.path: list(iter_loads(module.tree)) for module in modules}
    found = [
        f"{path}:{line}: uses {name}"
        for path, loads in uses.items()
        if path not in allowed
        for line, name in loads
    ]
    return found + [
        f"{path}: allowed without need" for path in sorted(allowed) if not uses.get(path)
    ]


def test_converter_can_run_nothing() -> None:
    assert converter_violations(read_modules("converter")) == []


def test_tests_load_no_pickle() -> None:
    assert loading_violations(read_modules("tests"), PICKLE_LOADING_TESTS) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import pickle", "imports pickle"),
        ("def f():\n    from cPickle import loads", "imports cPickle"),
        ("import torch.nn as nn", "imports torch"),
        ("import importlib\nimportlib.import_module('os')", "uses importlib.import_module"),
        ("from importlib import import_module as m\nm('os')", "uses importlib.import_module"),
        ("__import__('os')", "uses __import__"),
        ("run = eval", "uses eval"),
        ("import builtins as b\nb.exec('')", "uses builtins.exec"),
        (
            "import numpy as np\nnp.load('a', allow_pickle=True)",
            "uses numpy.load with allow_pickle",
        ),
    ],
)
def test_violation_is_seen(text: str, message: str) -> None:
    (found,) = converter_violations([parse_module("converter/inert/a.py", text)])
    assert found.endswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "import importlib.resources\nimportlib.resources.files('converter')",
        "import re\nre.compile('a')",
        "import pickletools",
        "NAMES = ('eval', 'exec', 'pickle.loads')",
    ],
)
def test_honest_module_passes(text: str) -> None:
    assert converter_violations([parse_module("converter/inert/a.py", text)]) == []


def test_torch_has_its_places() -> None:
    (place, *_) = sorted(TORCH_ALLOWED)
    module = parse_module(place, "import torch\ntorch.load('a', weights_only=True)")
    assert converter_violations([module]) == []
    module = parse_module(place, "import torch\ntorch.load('a', weights_only=False)")
    assert len(converter_violations([module])) == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("import pickle\npickle.dumps(1)", 0),
        ("import torch\ntorch.load('a', weights_only=True)", 0),
        ("import pickle\npickle.loads(b'')", 1),
        ("import pickle as p\nclass U(p.Unpickler): ...", 1),
        ("from joblib import load\nload('a')", 1),
        ("import torch\ntorch.load('a', weights_only=flag)", 1),
    ],
)
def test_loading_in_a_test_is_seen(text: str, count: int) -> None:
    module = parse_module("tests/unit/test_a.py", text)
    assert len(loading_violations([module], frozenset())) == count
    allowed = loading_violations([module], frozenset({module.path}))
    assert allowed == ([] if count else ["tests/unit/test_a.py: allowed without need"])

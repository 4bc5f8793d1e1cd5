"""Knowledge points one way: a package imports only what stands below it."""

from __future__ import annotations

import ast
import graphlib
from typing import TYPE_CHECKING, Final

import pytest

from tests.structure.source_tree import Import, Module, iter_imports, parse_module, read_modules

if TYPE_CHECKING:
    from collections.abc import Iterable

# Bottom to top. Each may import every earlier one, itself, and nothing later.
LAYERS: Final = (
    "_version",
    "errors",
    "frozen",
    "patterns",
    "limits",
    "anomaly",
    "dtypes",
    "progress",
    "garbage",
    "processes",
    "byteio",
    "containers",
    "inert",
    "checkpoint",
    "readers",
    "risk",
    "writing",
    "verification",
    "comparison",
    "validation",
    "reporting",
    "conversion",
    "proof",  # a conversion doubted at any later time
    "restoration",  # beside conversion: from path to verified output, the other way round
    "migration",
)
# What the order alone would allow. A verifier that shared code with the writer would repeat the
# writer's mistakes instead of finding them.
FORBIDDEN: Final = frozenset({("verification", "writing")})
# Beside the tower: what others build their own tests with knows no further than checkpoint.
STRATEGIES: Final = "strategies"
# On top of everything, the command line above the public verbs.
ROOT: Final = "converter"
TOP: Final = frozenset({"cli", "__main__"})


def layer_of(module: str) -> str:
    """Name the layer of a dotted module name; the root package is its own layer."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ROOT


def known_to(layer: str) -> frozenset[str]:
    """List what a layer may import."""
    if layer in TOP:
        return frozenset({*LAYERS, ROOT, STRATEGIES, *TOP})
    if layer == ROOT:
        return frozenset({*LAYERS, ROOT})
    if layer == STRATEGIES:
        return frozenset({*LAYERS[: LAYERS.index("checkpoint") + 1], STRATEGIES})
    below = LAYERS[: LAYERS.index(layer) + 1]
    return frozenset(other for other in below if (layer, other) not in FORBIDDEN)


def imported_layer(entry: Import, layers: frozenset[str]) -> str | None:
    """Name the layer that an import reaches, or None where it is somebody else's."""
    if entry.module == ROOT:
        return entry.name if entry.name in layers else ROOT
    return layer_of(entry.module) if entry.module.startswith(f"{ROOT}.") else None


def layering_violations(modules: Iterable[Module]) -> list[str]:
    """List every import that looks upwards, every relative one, and every unknown layer."""
    layers = frozenset({*LAYERS, STRATEGIES, *TOP})
    found = []
    for module in modules:
        layer = layer_of(module.name)
        if layer not in layers | {ROOT}:
            found.append(f"{module.path}: {layer} is not in the table of layers")
            continue
        for entry in iter_imports(module.tree):
            target = imported_layer(entry, layers)
            if entry.module.startswith("."):
                found.append(f"{module.path}:{entry.lineno}: relative import")
            elif target is not None and target not in known_to(layer):
                found.append(f"{module.path}:{entry.lineno}: {layer} imports {target}")
    return found


class _TypesOnly(ast.NodeTransformer):
    """Takes away what stands under ``if TYPE_CHECKING``."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Keep the else branch of such a condition, and every other condition whole."""
        if ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return node.orelse
        return self.generic_visit(node)


def run_time(tree: ast.Module) -> ast.AST:
    """Copy a module without what only the type checker reads."""
    stripped: ast.AST = _TypesOnly().visit(ast.parse(ast.unparse(tree)))
    return stripped


def cycle(modules: Iterable[Module]) -> list[str]:
    """Find modules that import one another in a circle; an empty list where none do.

    Two modules may name each other's types, as a container and what it contains must: imports for
    the type checker alone do not count. Those inside functions do, since they only hide a circle.
    """
    listed = list(modules)
    names = {module.name for module in listed}
    graph = {
        module.name: {
            target
            for entry in iter_imports(run_time(module.tree))
            for target in (entry.dotted if entry.dotted in names else entry.module,)
            if target in names - {module.name}
        }
        for module in listed
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_converter_points_one_way() -> None:
    assert layering_violations(read_modules("converter")) == []


def test_converter_has_no_import_cycle() -> None:
    assert cycle(read_modules("converter")) == []


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("converter/errors.py", "import converter.limits", "errors imports limits"),
        ("converter/byteio/a.py", "from converter import inert", "byteio imports inert"),
        (
            "converter/inert/a.py",
            "def f():\n    from converter.risk import x",
            "inert imports risk",
        ),
        (
            "converter/readers/rebuild/a.py",
            "if TYPE_CHECKING:\n    import converter.writing.plan",
            "readers imports writing",
        ),
        (
            "converter/verification/a.py",
            "from converter.writing.header import encode_header",
            "verification imports writing",
        ),
        ("converter/strategies/a.py", "import converter.readers", "strategies imports readers"),
        (
            "converter/migration/a.py",
            "from converter import convert",
            "migration imports converter",
        ),
        ("converter/migration/a.py", "import converter.strategies", "migration imports strategies"),
        ("converter/__init__.py", "from converter.cli import entry", "converter imports cli"),
        ("converter/inert/a.py", "from . import nodes", "relative import"),
        ("converter/extras.py", "", "extras is not in the table of layers"),
    ],
)
def test_layering_violation_is_seen(path: str, text: str, message: str) -> None:
    (found,) = layering_violations([parse_module(path, text)])
    assert found.startswith(path)
    assert found.endswith(message)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("converter/inert/a.py", "from converter.inert.nodes import Node\nimport os"),
        ("converter/risk/a.py", "from converter import errors, inert"),
        ("converter/strategies/a.py", "import converter.checkpoint.tensor"),
        ("converter/cli/entry.py", "import converter\nfrom converter import migrate"),
        ("converter/__init__.py", "from converter.conversion import convert_file as convert"),
        ("converter/inert/a.py", "import converters.risk"),
    ],
)
def test_honest_imports_pass(path: str, text: str) -> None:
    assert layering_violations([parse_module(path, text)]) == []


def test_cycle_is_seen() -> None:
    circle = cycle(
        [
            parse_module("converter/inert/a.py", "import converter.inert.b"),
            parse_module("converter/inert/b.py", "from converter.inert import c"),
            parse_module("converter/inert/c.py", "def f():\n    from converter.inert.a import x"),
        ]
    )
    assert set(circle) == {f"converter.inert.{name}" for name in "abc"}


def test_types_may_name_each_other() -> None:
    there = parse_module("converter/inert/a.py", "import converter.inert.b")
    back = "if TYPE_CHECKING:\n    import converter.inert.a"
    assert cycle([there, parse_module("converter/inert/b.py", back)]) == []

"""``import converter`` is quick, because what is heavy waits until it is used."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

HEAVY: Final = frozenset({"click", "numpy", "onnx", "rich", "torch"})


def imported_by(statement: str, watched: frozenset[str]) -> set[str]:
    """Run a statement in a new interpreter and return which watched modules came with it."""
    code = f"import sys; {statement}; print(*sorted(sys.modules.keys() & {set(watched)!r}))"
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(outcome.stdout.split())


def test_importing_the_package_is_lean() -> None:
    assert imported_by("import converter", HEAVY) == set()


def test_importing_the_package_brings_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import converter\n"
        "print(*sorted(sys.modules.keys() - before))"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(outcome.stdout.split()) <= {"__future__", "converter", "converter._version"}


def test_heavy_import_is_seen() -> None:
    assert imported_by("import converter, click", HEAVY) == {"click"}

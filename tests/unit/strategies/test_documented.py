"""The example of docs/strategies.md is short, and runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "strategies.md"


@pytest.mark.torch
def test_example_runs(tmp_path: Path) -> None:
    (example,) = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    code = example.partition("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) < 15
    outcome = subprocess.run(
        [sys.executable, "-c", code + "\n\ntest_save_and_load()\nprint('ran')"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(PAGE.parents[1]), "TMPDIR": str(tmp_path), "PATH": ""},
        timeout=200,
    )
    assert outcome.stdout == "ran\n", outcome.stderr

"""Rules, test files, corpus folders and headings have one name each."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from converter.risk.rulebook import RULES
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "converter" / "risk" / "rules"


def test_an_id_is_a_file_name() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert {rule.replace("-", "_") for rule in RULES} == files
    for stem in files:
        module = importlib.import_module(f"converter.risk.rules.{stem}")
        assert stem.replace("_", "-") == module.ID
        assert RULES[module.ID] is module.judge


def test_each_has_its_tests() -> None:
    tests = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    assert {f"test_{rule.replace('-', '_')}" for rule in RULES} <= tests


def test_each_is_described() -> None:
    text = (REPOSITORY / "docs" / "rules.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\S+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted(RULES)
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert "**Remediation.**" in part

"""There is advice on every code that an error can have, and on no other."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from converter.errors import ContainerError, SourceError
from converter.reporting.advice import ADVICE, advice_on
from converter.risk.verdict import Verdict
from tests.support.diagnosis_files import DIAGNOSES

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[3] / "converter"


def written_codes() -> Iterator[str]:
    """Yield every text that stands after ``code=`` in a call of the package."""
    layers = ("byteio", "containers", "inert", "checkpoint", "readers")
    for folder in (PACKAGE.glob("*.py"), *((PACKAGE / layer).rglob("*.py") for layer in layers)):
        for path in folder:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "code":
                    value = node.value
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value


def test_every_code_has_advice_and_every_advice_a_code() -> None:
    verdicts = {f"verdict_{verdict}" for verdict in (Verdict.SUSPICIOUS, Verdict.DANGEROUS)}
    assert set(ADVICE) == {item.code for item in DIAGNOSES} | set(written_codes()) | verdicts


def test_advice_is_sentences() -> None:
    assert all(text[0].isupper() and text.endswith(".") for text in ADVICE.values())


def test_advice_on_an_error() -> None:
    error = ContainerError("empty file", code="empty_file")
    assert advice_on(error) == ADVICE["empty_file"]
    assert advice_on(ContainerError("x")) is None
    assert advice_on(SourceError("x")) is None

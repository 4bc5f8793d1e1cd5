"""Code of TorchScript runs when the model does."""

from __future__ import annotations

import pytest

from corpus.hostile_writer import CALM, EMPTY_TUPLE, PROTO2, STOP
from tests.support.risk_cases import severities
from tests.support.zip_builder import Member, ZipBuilder

RULE = "torchscript-code"


def script(code: str) -> bytes:
    members = [
        Member("r/data.pkl", CALM),
        Member("r/code/__torch__.py", code.encode()),
        Member("r/constants.pkl", PROTO2 + EMPTY_TUPLE + STOP),
        Member("r/version", b"3\n"),
    ]
    return ZipBuilder(members).build()


def test_what_reaches_outside() -> None:
    assert severities(RULE, script("a = torch.from_file(x)")) == ["dangerous"]
    assert severities(RULE, script("ops.mine.run(x)")) == ["unknown"]


@pytest.mark.parametrize(
    "code",
    [
        "torch .from_file(x)",
        "torch.\tfrom_file(x)",
        "torch.\\\n from_file(x)",
        "(torch\n.from_file(x))",
        "(torch. # a comment\n from_file(x))",
        "ops . aten . from_file(x)",
        "ops.aten.save(x, 'y')",
        's = """ " """; y = torch.from_file("a")',
    ],
)
def test_spaces_hide_nothing(code: str) -> None:
    assert "dangerous" in severities(RULE, script(code))


def test_spaces_hide_no_operator_of_somebodys_own() -> None:
    assert severities(RULE, script("ops . mine . run(x)")) == ["unknown"]


@pytest.mark.parametrize(
    "code",
    [
        "t = torch",
        "o = ops",
        "a = ops.aten",
        "(torch).add(x, y)",
        'getattr(torch, "add")(x, y)',
        'getattr(ops.aten, "add")(x, y)',
    ],
)
def test_other_names_for_all_operators(code: str) -> None:
    assert severities(RULE, script(code)) == ["suspicious"]


@pytest.mark.parametrize(
    "code",
    [
        's = "in torch"',
        "s = 'torch and ops'",
        "x = y  # of torch",
        "self.torch",
        "def f(x: __torch__.torch.nn.Linear) -> Tensor:",
        "ops0 = torch.add(x, y)",
    ],
)
def test_words_are_no_names(code: str) -> None:
    assert severities(RULE, script(code)) == []


@pytest.mark.torch
def test_torch_reads_over_the_same_spaces() -> None:
    import torch

    for code in (
        "torch . relu(x)",
        "torch.\\\n relu(x)",
        "(torch. # c\n relu(x))",
        "(torch).relu(x)",
    ):
        unit = torch.jit.CompilationUnit(f"def f(x):\n  return {code}\n")
        assert unit.f(torch.tensor(-1.0)) == 0


def test_what_computes() -> None:
    assert severities(RULE, script("a = torch.add(x, y)\nb = ops.prim.NumToTensor(1)")) == []

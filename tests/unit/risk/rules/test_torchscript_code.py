"""Code of TorchScript runs when the model does."""

from __future__ import annotations

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


def test_what_computes() -> None:
    assert severities(RULE, script("a = torch.add(x, y)\nb = ops.prim.NumToTensor(1)")) == []

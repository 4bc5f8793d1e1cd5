"""Names with dots are followed as an unpickler follows them."""

from __future__ import annotations

import pytest

from corpus.hostile_writer import PROTO4, STOP, stacked
from tests.support.risk_cases import severities

RULE = "dotted-name"


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        ("pathlib", "os.system", ["dangerous"]),
        ("torch.serialization", "os.system", ["dangerous"]),
        ("builtins", "object.__subclasses__", ["dangerous"]),
        ("torch.library_", "torch.utils.collect_env.run", ["dangerous"]),
        ("mine", "math.floor", ["suspicious"]),
        ("mine", ".".join("a" * 40), ["suspicious"]),
        ("mine", "Outer.Inner", []),
        ("numpy", "rec.recarray", []),
    ],
)
def test_where_a_name_leads(module: str, name: str, expected: list[str]) -> None:
    assert severities(RULE, PROTO4 + stacked(module, name) + STOP) == expected

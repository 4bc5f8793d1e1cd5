"""What follows an archive is told by how much it is."""

from __future__ import annotations

from tests.support.risk_cases import severities
from tests.support.zip_builder import ZipBuilder, honest_members

RULE = "zip-trailing-bytes"


def test_by_length() -> None:
    for count, expected in ((0, []), (1, ["note"]), (10, ["note"]), (1000, ["suspicious"])):
        data = ZipBuilder(honest_members(), trailing=b"\xff" * count).build()
        assert severities(RULE, data) == expected

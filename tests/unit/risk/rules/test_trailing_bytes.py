"""What no loader reads is told."""

from __future__ import annotations

import gzip

from corpus.hostile_writer import CALM
from tests.support.risk_cases import severities

RULE = "trailing-bytes"


def test_junk() -> None:
    assert severities(RULE, CALM + b"\xffjunk") == ["suspicious"]


def test_padding() -> None:
    for padding in (b"\n", b" \r\n", bytes(100)):
        assert severities(RULE, CALM + padding) == ["note"]
    assert severities(RULE, CALM) == []


def test_behind_a_compressed_file() -> None:
    assert severities(RULE, gzip.compress(CALM) + b"junk") == ["suspicious"]

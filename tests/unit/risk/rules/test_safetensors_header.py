"""A safetensors file holds no pickle, and must be whole."""

from __future__ import annotations

import json
import struct

from tests.support.risk_cases import scanned, severities

RULE = "safetensors-header"


def file(header: object, elements: bytes) -> bytes:
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + elements


WHOLE = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


def test_whole() -> None:
    assert severities(RULE, file(WHOLE, bytes(4))) == []
    assert scanned(file(WHOLE, bytes(4))).verdict == "safe"


def test_damaged() -> None:
    for data in (file(WHOLE, bytes(3)), file(WHOLE, bytes(5)), file({"w": {}}, b"")):
        assert severities(RULE, data) == ["unreadable"]

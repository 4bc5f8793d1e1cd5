"""Tests of safetensors headers."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from converter.errors import LimitError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.writing.header import encode_header, sort_key


@dataclass(frozen=True)
class Entry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


def test_spelling() -> None:
    found = encode_header(
        [Entry('é"\x01\n', "F32", (2, 0), 0, 0)], {"format": "pt"}, DEFAULT_LIMITS
    )
    text = (
        '{"__metadata__":{"format":"pt"},"é\\"\\u0001\\n":'
        '{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]}}'
    ).encode()
    padded = text + b" " * (-len(text) % 8)
    assert found == len(padded).to_bytes(8, "little") + padded


@pytest.mark.parametrize("extra", range(9))
def test_padding_to_eight_bytes(extra: int) -> None:
    found = encode_header([], {"format": "p" * extra}, DEFAULT_LIMITS)
    assert len(found) % 8 == 0
    assert int.from_bytes(found[:8], "little") == len(found) - 8
    assert json.loads(found[8:]) == {"__metadata__": {"format": "p" * extra}}


def test_limit_counts_the_padded_text() -> None:
    entries = [Entry("w", "F32", (1,), 0, 4)]
    nbytes = len(encode_header(entries, {}, DEFAULT_LIMITS)) - 8
    encode_header(entries, {}, Limits(max_header_bytes=nbytes))
    with pytest.raises(LimitError) as caught:
        encode_header(entries, {}, Limits(max_header_bytes=nbytes - 1))
    assert caught.value.limit == "max_header_bytes"


def test_order() -> None:
    entries = [("U8", "b"), ("F32", "z"), ("F32", "A"), ("I64", "m"), ("BOOL", ""), ("F32", "é")]
    assert sorted(entries, key=lambda one: sort_key(*one)) == [
        ("I64", "m"),
        ("F32", "A"),
        ("F32", "z"),
        ("F32", "é"),
        ("U8", "b"),
        ("BOOL", ""),
    ]

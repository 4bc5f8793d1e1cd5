"""Plain values in JSON and back."""

from __future__ import annotations

import json
import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.checkpoint.tree_atoms import (
    decode_bytes,
    decode_float,
    decode_int,
    decode_text,
    encode_bytes,
    encode_float,
    encode_int,
    encode_text,
    float_bits,
)
from converter.checkpoint.tree_types import (
    BytesForm,
    ByteStringForm,
    EscapedText,
    FloatForm,
    IntForm,
)
from converter.errors import FormatError
from converter.inert.nodes import ByteString


@given(st.integers() | st.integers(-(2**2000), 2**2000))
def test_every_int_comes_back(value: int) -> None:
    form = encode_int(value)
    assert decode_int(form) == value
    assert msgspec.convert(msgspec.to_builtins(form), int | IntForm) == form


def test_ints_beyond_two_to_the_53_are_digits() -> None:
    assert encode_int(2**53 - 1) == 2**53 - 1
    assert encode_int(2**53) == IntForm("9007199254740992")
    assert encode_int(-(2**53)) == IntForm("-9007199254740992")
    assert encode_int(2**256) == IntForm("0x1" + "0" * 64)
    assert encode_int(-(2**256)) == IntForm("-0x1" + "0" * 64)


def test_a_huge_int_is_no_work() -> None:
    value = -(1 << 4_000_000) - 1
    assert decode_int(encode_int(value)) == value


@given(st.integers(0, 2**64 - 1))
def test_every_bit_of_a_float_comes_back_through_json(bits: int) -> None:
    raw = struct.pack(">Q", bits)
    (value,) = struct.unpack(">d", raw)
    text = msgspec.json.encode(encode_float(value))
    assert float_bits(decode_float(msgspec.json.decode(text, type=float | FloatForm))) == raw
    form = json.loads(text)
    if isinstance(form, float):  # the standard library reads the same number
        assert float_bits(form) == raw


def test_only_what_json_has_is_a_number() -> None:
    assert encode_float(1.0) == 1.0
    assert encode_float(-0.0) == FloatForm("8000000000000000")
    assert encode_float(math.inf) == FloatForm("7ff0000000000000")
    assert encode_float(-math.inf) == FloatForm("fff0000000000000")


@given(st.text(st.characters()))
def test_every_text_comes_back(text: str) -> None:
    form = encode_text(text)
    assert decode_text(form) == text
    msgspec.json.encode(form)


def test_lone_surrogates_are_escaped_and_pairs_stay_apart() -> None:
    assert encode_text("a\ud800\\b") == EscapedText("a\\ud800\\\\b")
    assert encode_text("C:\\\\plain é \U0001f600") == "C:\\\\plain é \U0001f600"
    pair = "\ud83d\ude00"  # two code points, not the one that UTF-16 makes of them
    assert decode_text(encode_text(pair)) == pair
    assert decode_text(encode_text("\udfff\\ud800")) == "\udfff\\ud800"


@pytest.mark.parametrize("text", ["\\", "\\x", "\\u0041", "\\ud80", "\\uD800", "a\\\\\\"])
def test_a_broken_escape_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        decode_text(EscapedText(text))


@given(st.binary())
def test_bytes_and_python_2_strings_stay_apart(value: bytes) -> None:
    for kind, form_type in ((bytes, BytesForm), (ByteString, ByteStringForm)):
        form = encode_bytes(kind(value))
        assert type(form) is form_type
        back = decode_bytes(form)
        assert type(back) is kind
        assert back == value

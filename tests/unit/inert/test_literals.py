"""Text operands of protocol 0."""

from __future__ import annotations

import codecs
import math
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.inert import literals


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"0", 0),
        (b"-0", False),  # two characters that make 0: a bool to the C unpickler
        (b"00", False),
        (b"01", True),
        (b"+1", True),
        (b" 1", True),
        (b"001", 1),
        (b"010", 8),
        (b"0x1F", 31),
        (b"-0x1f", -31),
        (b"  7", 7),
        (b"7 ", 7),
        (b"1_000", 1000),
        (b"0b11", 3),
        (b"0o17", 15),
        (b"7\0junk", 7),
        (b"\0", 0),
        (b"-9223372036854775808", -(1 << 63)),
        (b"9223372036854775808", 1 << 63),
        (b"140453859747072", 140453859747072),
    ],
)
def test_int(line: bytes, value: int) -> None:
    parsed = literals.parse_int(line)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("line", [b"x", b"1x", b"0x", b" ", b"1 2", b"08", b"--1", b"1.0", b"\xff"])
def test_int_refuses(line: bytes) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        literals.parse_int(line)


@pytest.mark.parametrize(
    ("line", "value"),
    [(b"5L", 5), (b"5", 5), (b"-5L", -5), (b"0x10L", 16), (b"5\0 junkL", 5), (b"00", 0)],
)
def test_long(line: bytes, value: int) -> None:
    assert literals.parse_long(line) == value


@pytest.mark.parametrize("line", [b"L", b"010", b"5LL", b"5l", b"\0"])
def test_long_refuses(line: bytes) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        literals.parse_long(line)


@pytest.mark.parametrize(
    ("line", "value"), [(b"12", 12), (b"012", 12), (b"-3", -3), (b" 4 ", 4), (b"5\0x", 5)]
)
def test_index(line: bytes, value: int) -> None:
    assert literals.parse_index(line) == value


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"1.5", 1.5),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"-1E+3", -1000.0),
        (b"1e-400", 0.0),
        (b"inf", math.inf),
        (b"-Infinity", -math.inf),
        (b"1.5\0junk", 1.5),
    ],
)
def test_float(line: bytes, value: float) -> None:
    assert literals.parse_float(line) == value


def test_float_not_a_number() -> None:
    assert math.isnan(literals.parse_float(b"nan"))
    assert math.copysign(1, literals.parse_float(b"-nan")) == -1


@pytest.mark.parametrize("line", [b" 1.5", b"1.5 ", b"1_0", b"1e", b"0x1p3", b"", b"1e400", b"."])
def test_float_refuses(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a numeral|beyond the range"):
        literals.parse_float(line)


@pytest.mark.parametrize("line", [b"'", b"", b"abc", b"'abc\"", b"`abc`", b"'abc"])
def test_quoted_refuses(line: bytes) -> None:
    with pytest.raises(ValueError, match="not quoted"):
        literals.parse_quoted(line)


@given(st.lists(st.sampled_from([*b"\\\\\\\\'\"abfnrtvx0123789afAF\n\0"])).map(bytes))
def test_quoted_against_codecs(body: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of escapes it does not know
            expected = codecs.escape_decode(body)[0]
    except ValueError:
        with pytest.raises(ValueError, match=r"backslash|hexadecimal"):
            literals.parse_quoted(b"'" + body + b"'")
    else:
        assert literals.parse_quoted(b"'" + body + b"'") == expected


def test_plain_is_what_picklers_write() -> None:
    assert literals.is_plain_int(b"-12")
    assert literals.is_plain_int(b"01")
    assert not literals.is_plain_int(b"+1")
    assert not literals.is_plain_int(b"010")
    assert literals.is_plain_long(b"12L")
    assert not literals.is_plain_long(b"0x1L")
    assert literals.is_plain_index(b"10")
    assert not literals.is_plain_index(b"010")
    for value in (1.5, 1e300, -1e-300, 0.1, 1e22, math.inf, -math.inf, math.nan):
        assert literals.is_plain_float(repr(value).encode())
    assert not literals.is_plain_float(b"+1.5")

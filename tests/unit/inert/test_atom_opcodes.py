"""Opcodes that push plain values."""

from __future__ import annotations

import math
import struct

import pytest

from converter.errors import LimitError
from converter.inert.nodes import ByteArrayNode, ByteString, Node
from tests.unit.inert.streams import anomalies_of, error_of, graph_of, root_of


@pytest.mark.parametrize(
    ("stream", "value"),
    [
        (b"N.", None),
        (b"\x88.", True),
        (b"\x89.", False),
        (b"I00\n.", False),
        (b"I01\n.", True),
        (b"I-12\n.", -12),
        (b"I140453859747072\n.", 140453859747072),
        (b"J\xff\xff\xff\xff.", -1),
        (b"J\xff\xff\xff\x7f.", 2**31 - 1),
        (b"K\xff.", 255),
        (b"M\xff\xff.", 65535),
        (b"L12L\n.", 12),
        (b"L12\n.", 12),
        (b"\x8a\x00.", 0),
        (b"\x8a\x01\xff.", -1),
        (b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 0x1950A86A20F9469CFC6C),
        (b"\x8b\x02\x00\x00\x00\xff\x00.", 255),
        (b"F1.5\n.", 1.5),
        (b"G\x3f\xf8\0\0\0\0\0\0.", 1.5),
        (b"S'a\\n\\x41'\n.", ByteString(b"a\nA")),
        (b'S"it\'s"\n.', ByteString(b"it's")),
        (b"T\x02\0\0\0\xff\0.", ByteString(b"\xff\0")),
        (b"U\x02\xff\0.", ByteString(b"\xff\0")),
        (b"V\\u006fs \xe9\n.", "os \xe9"),
        (b"X\x02\0\0\0\xc3\xa9.", "\xe9"),
        (b"X\x03\0\0\0\xed\xa0\x80.", "\ud800"),
        (b"\x8c\x02\xc3\xa9.", "\xe9"),
        (b"\x8c\x03\xed\xa0\x80.", "\ud800"),
        (b"\x8d\x01\0\0\0\0\0\0\0a.", "a"),
        (b"B\x01\0\0\0a.", b"a"),
        (b"C\x01a.", b"a"),
        (b"\x8e\x01\0\0\0\0\0\0\0a.", b"a"),
    ],
)
def test_value(stream: bytes, value: Node) -> None:
    root = root_of(stream)
    assert type(root) is type(value)
    assert root == value


def test_every_bit_of_a_float_is_kept() -> None:
    bits = bytes.fromhex("7ff8000000abcdef")
    root = root_of(b"G" + bits + b".")
    assert isinstance(root, float)
    assert math.isnan(root)
    assert struct.pack(">d", root) == bits
    assert struct.pack(">d", root_of(b"G\x80\0\0\0\0\0\0\0.")) == b"\x80\0\0\0\0\0\0\0"


def test_bytearray() -> None:
    root = root_of(b"\x80\x05\x96\x02\0\0\0\0\0\0\0ab.")
    assert isinstance(root, ByteArrayNode)
    assert (root.value, root.offset) == (b"ab", 2)


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"Ix\n.", "invalid literal"),
        (b"I\n.", "empty"),
        (b"L\n.", "empty"),
        (b"F\n.", "empty"),
        (b"Fabc\n.", "not a numeral"),
        (b"F1e999\n.", "beyond the range"),
        (b"Sabc\n.", "not quoted"),
        (b"S'abc\\'\n.", "trailing backslash"),
        (b"V\\u00\n.", "truncated"),
        (b"X\x01\0\0\0\xff.", "invalid start byte"),
        (b"\x8b\xff\xff\xff\xff.", "negative"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "impossible"),
        (b"\x8e\0\0\0\0\0\0\0\x80.", "impossible"),
        (b"\x96\0\0\0\0\0\0\0\x80.", "impossible"),
    ],
)
def test_malformed(stream: bytes, words: str) -> None:
    error = error_of(b"N" + stream)
    assert words in str(error)
    assert error.offset == 1


@pytest.mark.parametrize("line", [b"I0x10", b"I010", b"I+1", b"I 1", b"L0x10L", b"F.5", b"F+1.0"])
def test_numerals_that_no_pickler_writes_are_noted(line: bytes) -> None:
    assert anomalies_of(line + b"\n.") == ["numeral_unusual"]


def test_a_binstring_length_is_unsigned_as_in_c() -> None:
    graph = graph_of(b"T\0\0\0\x80.")
    assert [anomaly.code for anomaly in graph.anomalies] == ["binstring_length_signed"]
    assert "2147483648 more bytes" in str(graph.error)


@pytest.mark.parametrize(
    "stream",
    [
        b"X\x05\0\0\0abcde.",
        b"\x8c\x05abcde.",
        b"\x8d\x05\0\0\0\0\0\0\0abcde.",
        b"B\x05\0\0\0abcde.",
        b"C\x05abcde.",
        b"\x8e\x05\0\0\0\0\0\0\0abcde.",
        b"\x96\x05\0\0\0\0\0\0\0abcde.",
        b"T\x05\0\0\0abcde.",
        b"U\x05abcde.",
    ],
)
def test_string_limit(stream: bytes) -> None:
    root_of(stream, max_string_bytes=5)
    error = error_of(stream, max_string_bytes=4)
    assert isinstance(error, LimitError)
    assert (error.limit, error.found, error.offset) == ("max_string_bytes", "5", 0)


@pytest.mark.parametrize("stream", [b"\x8a\x03\0\0\1.", b"\x8b\x03\0\0\0\0\0\1."])
def test_long_limit(stream: bytes) -> None:
    assert root_of(stream, max_long_bytes=3) == 65536
    error = error_of(stream, max_long_bytes=2)
    assert isinstance(error, LimitError)
    assert error.limit == "max_long_bytes"


@pytest.mark.parametrize("stream", [b"I-123\n.", b"L123L\n.", b"F12.\n."])
def test_digit_limit(stream: bytes) -> None:
    root_of(stream, max_decimal_digits=3)
    error = error_of(stream, max_decimal_digits=2)
    assert isinstance(error, LimitError)
    assert error.limit == "max_decimal_digits"


def test_more_digits_than_python_itself_reads() -> None:
    assert error_of(b"L" + b"9" * 5_000 + b"L\n.", max_decimal_digits=10_000).offset == 0


def test_a_length_is_no_reason_to_allocate() -> None:
    """Each claims up to 2^63 - 1 bytes; the default limit is far above what is there."""
    for opcode in (b"B\xff\xff\xff\xff", b"X\xff\xff\xff\xff", b"T\xff\xff\xff\xff"):
        assert "truncated" in str(error_of(opcode + b"abc"))
    for opcode in (b"\x8d", b"\x8e", b"\x96"):
        huge = opcode + b"\xff" * 7 + b"\x7f"
        assert "truncated" in str(error_of(huge, max_string_bytes=2**63))

"""A pickle in bytes is judged as the one around it."""

from __future__ import annotations

import base64
import zlib

import pytest

from corpus.hostile_evasions import EVASIONS
from corpus.hostile_writer import (
    EMPTY_DICT,
    EVIL,
    PROTO2,
    SETITEM,
    STOP,
    blob,
    call,
    named,
    text,
)
from tests.support.risk_cases import said, scanned, severities

RULE = "nested-pickle"


def value(raw: bytes) -> bytes:
    return PROTO2 + EMPTY_DICT + text("data") + raw + SETITEM + STOP


def test_in_every_wrapping() -> None:
    for raw in (
        blob(EVIL),
        blob(zlib.compress(EVIL)),
        text(base64.b64encode(EVIL).decode()),
        text(base64.b64encode(zlib.compress(EVIL)).decode()),
        text(EVIL.decode("latin-1")),
    ):
        report = scanned(value(raw))
        assert report.verdict == "dangerous"
        (found,) = [item for item in report.findings if item.rule == RULE]
        assert found.reach == "latent"


def test_as_an_argument() -> None:
    loads = PROTO2 + call(named("pickle", "loads"), blob(EVIL)) + STOP
    (found,) = said(RULE, loads)
    assert (found.severity, found.reach) == ("suspicious", "executable")
    assert found.evidence == "argument of pickle.loads"


def test_a_calm_one_is_a_note() -> None:
    named_only = PROTO2 + call(named("collections", "OrderedDict")) + STOP
    assert severities(RULE, value(blob(named_only))) == ["note"]


def test_bytes_that_are_no_pickle() -> None:
    for raw in (b"\x80\x02\xff\xff", b"x\x9c nothing", b"PK\x03\x04", bytes(100)):
        assert severities(RULE, value(blob(raw))) == []


def test_torch_loads_what_it_is_given() -> None:
    load = named("torch.storage", "_load_from_bytes")
    assert scanned(PROTO2 + call(load, blob(EVIL)) + STOP).verdict == "dangerous"
    computed = call(load, call(named("builtins", "bytes")))
    assert severities(RULE, PROTO2 + computed + STOP) == ["dangerous"]


@pytest.mark.parametrize("name", ["root", "protocol_0"])
def test_where_nothing_marks_it(name: str) -> None:
    assert severities(RULE, EVASIONS[f"nested-pickle/38_{name}.pkl"].make()) == ["suspicious"]


@pytest.mark.parametrize("words", ["class\nof\n", "count\n3\n", "(a list)\nitems\nmore\n"])
def test_lines_of_text_are_no_pickle(words: str) -> None:
    assert scanned(value(text(words))).verdict == "safe"

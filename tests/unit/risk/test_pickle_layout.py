"""What is known of one pickle hides nothing in those that are laid out like it."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph
from converter.limits import DEFAULT_LIMITS
from converter.risk.gathering import gather
from converter.risk.gathering.alike_archives import find_alike
from converter.risk.gathering.known_layouts import forget_layouts
from converter.risk.gathering.pickle_layout import PickleLayout, pickle_layout_of
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS
from converter.risk.scanner import judge_facts, scan_source
from corpus.hostile_writer import STOP, storage, tensor
from tests.support.pickles import text, torch_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERED = b"ccollections\nOrderedDict\n)R"
FLOAT = b"G" + struct.pack(">d", 0.25)
# Values that no rule looks at, those that some rule does, and texts that are both.
ITEMS = (
    text("first value") + b"N",
    *(text("epoch") + b"K\x05", text("step") + b"M\x10\x27", text("count") + b"J\0\0\1\0"),
    *(text("loss") + FLOAT, text("note") + text("some long words"), text("flags") + b"\x88"),
    *(text("list") + b"](K\x01K\x02e", text("pair") + b"K\x03" + text("abc") + b"\x86"),
    text("model") + ORDERED + b"(" + text("weight") + tensor(storage(), [4], [1]) + b"u"
    b"}" + text("_metadata") + ORDERED + text("inner") + b"K\x07ssb",
    # a key that is a name as well, and one that is the location of a storage as well
    text("collections") + b"q\x10N" + b"h\x10" + text("OrderedDict") + b"q\x11\x93)R" + b"h\x11",
    text("cpu") + b"q\x12" + b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0")
    + b"h\x12K\x04tQ",
    text("size") + b"cbuiltins\nrange\nK\x00K\x09\x86R",
    text("old") + b"(V" + b"word\nI12\nL3L\nl",
)  # fmt: skip
PICKLE = b"\x80\x02}(" + b"".join(ITEMS) + b"u" + STOP
STORAGES = {"0": bytes(16)}
FREE = ("epoch", "note", "some long words", "abc", "weight", "step")
FIXED = ("storage", "collections", "OrderedDict", "cpu", "_metadata", "inner")


# Every way to use a value but to keep it. The key of a dict is recalled from the memo.
WORD = b"h\x01"
COUNTER, MAKE = b"ccollections\nCounter\n", b"ca\nb\n"
USES = tuple(
    text("used") + value
    for value in (
        MAKE + WORD + b"\x85R",  # an argument
        MAKE + b"}(" + WORD + b"Nu\x85R",  # in an argument
        MAKE + ORDERED + WORD + b"Ns\x85R",  # in an OrderedDict that is an argument
        MAKE + b")}" + WORD + b"Ns\x92",  # an argument by name
        MAKE + b")\x81}" + WORD + b"Nsb",  # an attribute
        ORDERED + b"}" + WORD + b"Nsb",  # an attribute of an OrderedDict
        MAKE + b")R" + ORDERED + WORD + b"Nsb",  # in an OrderedDict that is a state
        MAKE + b")R" + WORD + b"a",  # appended to what is no list
        COUNTER + b")R" + WORD + b"Ns",  # a key of another dict than an OrderedDict
        WORD + text("b") + b"\x93",  # a module
        text("a") + WORD + b"\x93",  # a name
        text("a") + WORD + b"\x930N",  # a name that is dropped
        WORD + b"Q",  # a persistent id
        b"(" + text("storage") + WORD + b"tQ",  # in a persistent id
        b"K\x01Q" + WORD + b"b",  # a state of what a persistent id stands for
        b"(" + MAKE + WORD + b"o",  # an argument of OBJ
        b"(" + WORD + b"ia\nb\n",  # an argument of INST
    )
)


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget_layouts()
    yield
    forget_layouts()


def layout_of(data: bytes) -> PickleLayout | None:
    graph = read_graph(MemorySource(data, "a"))
    return pickle_layout_of(data, graph, DEFAULT_LIMITS)


def usual() -> PickleLayout:
    layout = layout_of(PICKLE)
    assert layout is not None
    return layout


def is_known(archive: bytes) -> bool:
    found = find_alike(MemorySource(archive, "a.pt"), DEFAULT_LIMITS, DEFAULT_SCAN_LIMITS)
    return found is not None and found.report("a.pt") is not None


def scan_both(pickle: bytes) -> bool:
    """Hold what is known against what is read alone; return whether anything is known."""
    archive = torch_zip(pickle, STORAGES)
    alone = judge_facts(gather(MemorySource(archive, "a.pt")))
    known = is_known(archive)
    assert scan_source(MemorySource(archive, "a.pt")) == alone
    return known


def read_often(pickle: bytes) -> None:
    for _ in range(4):
        scan_source(MemorySource(torch_zip(pickle, STORAGES), "a.pt"))
    assert is_known(torch_zip(pickle, STORAGES))


@pytest.mark.parametrize("word", FREE)
def test_values_that_are_kept_only_may_be_others(word: str) -> None:
    changed = PICKLE.replace(text(word), text("Z" * len(word)))
    assert usual().fits(changed)


@pytest.mark.parametrize("word", FIXED)
def test_values_that_something_is_done_with_may_not(word: str) -> None:
    changed = PICKLE.replace(text(word), text("Z" * len(word)))
    assert changed != PICKLE
    assert not usual().fits(changed)


@pytest.mark.parametrize("used", USES, ids=range(len(USES)))
def test_a_key_that_plays_another_part_as_well_may_not_be_another(used: bytes) -> None:
    kept = text("first value") + b"N" + text("some text") + b"N" + text("word") + b"q\x01N"
    data = b"\x80\x02}(" + kept + used + b"u" + STOP
    layout = layout_of(data)
    assert layout is not None
    assert layout.fits(data.replace(b"some text", b"any other"))
    assert not layout.fits(data.replace(b"word", b"WORD"))


def test_numbers_may_be_others_where_they_are_kept_only() -> None:
    layout = usual()
    for old, new in ((b"K\x05", b"K\xff"), (b"M\x10\x27", b"M\0\0"), (FLOAT, b"G" + bytes(8))):
        assert layout.fits(PICKLE.replace(old, new))
    for old, new in ((b"K\x09", b"K\x08"), (b"K\x07", b"K\x08"), (b"I12", b"I13")):
        assert not layout.fits(PICKLE.replace(old, new))


@pytest.mark.parametrize(
    "word",
    [b"caa\nbb\nccc.....", b"gASVsomewords..", b"x\x9cdeflated.....", b"PK\x05\x06words......"],
)
def test_texts_that_may_be_more_are_read(word: bytes) -> None:
    old = b"some long words"
    assert not usual().fits(PICKLE.replace(old, word[: len(old)]))


def test_mark_of_a_tar_archive_is_seen() -> None:
    data = b"\x80\x02}" + text("key") + text("." * 400) + b"s."
    layout = layout_of(data)
    assert layout is not None
    assert layout.fits(data.replace(b"....", b"ABCD"))
    assert not layout.fits(data[:257] + b"ustar" + data[262:])


@pytest.mark.parametrize(
    "data",
    [
        b"}X\x03\0\0\0keyN" + b"s.",  # no protocol
        b"\x80\x02}" + text("key") + b"N",  # no end
        b"\x80\x02N}" + text("key") + b"Ns.",  # something is left over
        b"\x80\x02" + ORDERED + b")R.",  # a call of what was called
    ],
)
def test_odd_pickles_have_no_layout(data: bytes) -> None:
    assert layout_of(data) is None


def test_any_byte_may_change() -> None:
    read_often(PICKLE)
    known = 0
    for position in range(len(PICKLE)):
        for new in (PICKLE[position] ^ 1 << position % 8, 0x63, 0x80):
            known += scan_both(PICKLE[:position] + bytes([new]) + PICKLE[position + 1 :])
    assert known > 100


EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=4)


@given(EDITS)
def test_any_bytes_may_change(edits: list[tuple[float, bytes]]) -> None:
    read_often(PICKLE)
    data = PICKLE
    for where, new in edits:
        start = int(where * (len(data) - len(new)))
        data = data[:start] + new + data[start + len(new) :]
    scan_both(data)


def test_wrong_checksum_is_told_of_a_pickle_that_is_known() -> None:
    read_often(PICKLE)
    archive = torch_zip(PICKLE, STORAGES)
    crc = zlib.crc32(PICKLE).to_bytes(4, "little")
    for wrong in (b"abcd", bytes(4)):
        report = scan_source(MemorySource(archive.replace(crc, wrong), "a.pt"))
        assert [found.rule for found in report.findings] == ["zip-crc"]

"""The pseudo-code names every call with its offset, and stays short."""

from __future__ import annotations

from converter.byteio.source import MemorySource
from converter.risk.explanation import MAX_LINES
from converter.risk.scanner import scan_source
from corpus.hostile_writer import EMPTY_DICT, FIRE, PAYLOAD, POP, PROTO2, STOP, call, text


def lines(data: bytes) -> tuple[str, ...]:
    return scan_source(MemorySource(data, "x"), explained=True).explanation


def test_calls_and_result() -> None:
    data = PROTO2 + PAYLOAD + POP + EMPTY_DICT + STOP
    offset = len(PROTO2 + PAYLOAD) - 1
    assert lines(data) == (
        "# (the file), from 0, main",
        f"{offset:>8}  v0 = depickle_tripwire.fire('x')",
        f"{len(data) - 1:>8}  return {{}}",
    )


def test_a_break_is_told() -> None:
    assert lines(PROTO2 + PAYLOAD + b"\xff")[-1].endswith("# breaks off: unknown opcode")


def test_long_ones_are_cut() -> None:
    many = (call(FIRE, text("y" * 500)) + POP) * (MAX_LINES + 50)
    shown = lines(PROTO2 + many + EMPTY_DICT + STOP)
    assert len(shown) == MAX_LINES + 3
    assert shown[-2] == "# … 50 calls more"
    assert max(map(len, shown)) < 220

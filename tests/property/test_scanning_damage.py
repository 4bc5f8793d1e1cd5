"""However a file is damaged, it is scanned to the end, and a crash is no verdict."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.risk.scanner import scan_source
from converter.strategies import HostileFile, hostile_files, opcode_streams
from corpus.hostile_recipes import SAMPLES
from tests.support.all_rules import case_of, told_by_all, told_by_chosen
from tests.support.small_files import SMALL_FILES

FILES = [
    *(make() for make in SMALL_FILES.values()),
    *(sample.make() for path, sample in SAMPLES.items() if "bomb" not in path),
]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=20)), min_size=1, max_size=8
)


@given(data=st.sampled_from(FILES), edits=EDITS)
def test_any_damage(data: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    damaged = bytearray(data)
    for where, count, new in edits:
        start = int(where * len(damaged))
        damaged[start : start + count] = new
    report = scan_source(MemorySource(bytes(damaged), "a.pt"), explained=True)
    assert report.findings or report.verdict == "safe"
    assert all(found.location.offset >= 0 for found in report.findings)
    case = case_of(bytes(damaged), "a.pt")
    assert told_by_chosen(case) == told_by_all(case)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    report = scan_source(MemorySource(data, "a.pt"))
    assert report.verdict != "safe" or not report.imports
    case = case_of(data, "a.pt")
    assert told_by_chosen(case) == told_by_all(case)


@given(opcode_streams(), st.sampled_from(["a.pt", "a.npy", "a"]))
def test_no_rule_is_left_out_that_had_something_to_say(stream: bytes, name: str) -> None:
    case = case_of(stream, name)
    assert told_by_chosen(case) == told_by_all(case)


@given(hostile_files())
def test_no_rule_is_left_out_of_what_hostile_files_are_told(file: HostileFile) -> None:
    case = case_of(file.content, "a.pt")
    assert told_by_chosen(case) == told_by_all(case)

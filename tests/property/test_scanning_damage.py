"""However a file is damaged, it is scanned to the end, and a crash is no verdict."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.risk.scanner import scan_source
from corpus.hostile_recipes import SAMPLES
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


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    report = scan_source(MemorySource(data, "a.pt"))
    assert report.verdict != "safe" or not report.imports

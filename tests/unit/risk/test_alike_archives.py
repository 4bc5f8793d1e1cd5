"""What is known of one archive hides nothing in those that are laid out like it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.limits import DEFAULT_LIMITS
from converter.risk import scanner
from converter.risk.gathering import gather, known_layouts
from converter.risk.gathering.alike_archives import find_alike
from converter.risk.gathering.known_layouts import forget_layouts
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS
from converter.risk.scanner import judge_facts, scan_source
from corpus.hostile_writer import EVIL, PROTO2, STOP, storage, tensor
from tests.conftest import REPOSITORY
from tests.support.pickles import torch_zip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.gathering.alike_archives import Alike
    from converter.risk.report import FileReport

TENSOR = PROTO2 + tensor(storage(), [4], [1]) + STOP
# Written by zipfile, which repeats checksums in local headers, and by torch, which repeats them
# behind the records.
PLAIN = torch_zip(TENSOR, {"0": bytes(16), "1": bytes(300)})
# Of this one, not everything is looked at.
LONG_RUN = b"q" * 20_000
LONG = torch_zip(TENSOR, {"0": bytes(16), "1": LONG_RUN})
SAVED = (REPOSITORY / "corpus" / "state_dict" / "linear.pt").read_bytes()


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget_layouts()
    yield
    forget_layouts()


def read_often(data: bytes) -> None:
    """Scan some bytes as often as it takes until they are known, their pickle included."""
    for _ in range(4):
        scan_source(MemorySource(data, "a.pt"))
    assert alike(data) is not None


def alike(data: bytes) -> Alike | None:
    """Return what is known of some bytes."""
    return find_alike(MemorySource(data, "a.pt"), DEFAULT_LIMITS, DEFAULT_SCAN_LIMITS)


def read_alone(data: bytes, name: str = "a.pt") -> FileReport:
    """Return the report of some bytes of which nothing is known."""
    return judge_facts(gather(MemorySource(data, name)))


def with_bytes(data: bytes, start: int, new: bytes) -> bytes:
    """Return the bytes with others in one place."""
    return data[:start] + new + data[start + len(new) :]


def with_pickle(old: bytes, new: bytes) -> bytes:
    """Return the plain archive with another pickle of the same length, checksums included."""
    assert len(old) == len(new)
    before, after = (zlib.crc32(pickle).to_bytes(4, "little") for pickle in (old, new))
    return PLAIN.replace(old, new).replace(before, after)


def positions_of(data: bytes) -> list[int]:
    """Return every offset, and of a long run of the same byte few of those in the middle."""
    run = data.find(LONG_RUN)
    if run < 0:
        return list(range(len(data)))
    middle = range(run + 400, run + len(LONG_RUN) - 50)
    return [at for at in range(len(data)) if at not in middle or at % 500 == 0]


@pytest.mark.parametrize("data", [PLAIN, SAVED, LONG], ids=["zipfile", "torch", "long"])
def test_any_byte_may_change(data: bytes) -> None:
    read_often(data)
    known = 0
    for position in positions_of(data):
        for new in (data[position] ^ 1 << position % 8, 0x80):
            changed = with_bytes(data, position, bytes([new]))
            known += alike(changed) is not None
            assert scan_source(MemorySource(changed, "a.pt")) == read_alone(changed), position
    assert known > 100


EDITS = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=4)


@given(data=st.sampled_from([PLAIN, SAVED, LONG]), edits=EDITS)
def test_any_bytes_may_change(data: bytes, edits: list[tuple[float, bytes]]) -> None:
    for _ in range(2):
        scan_source(MemorySource(data, "a.pt"))
    for where, new in edits:
        data = with_bytes(data, int(where * (len(data) - len(new))), new)
    assert scan_source(MemorySource(data, "a.pt")) == read_alone(data)


@pytest.mark.parametrize("root", [b"archive", b"epoch=3", b"ARCHIVE", b"3.chive"])
def test_plain_root_folders_make_no_difference(root: bytes) -> None:
    read_often(PLAIN)
    data = PLAIN.replace(b"archive", root)
    assert alike(data) is not None
    assert scan_source(MemorySource(data, "a.pt")) == read_alone(data)


@pytest.mark.parametrize("root", [b".rchive", b"a/chive", b"C:chive", b"archiv\n", b"..//..."])
def test_other_root_folders_are_read_alone(root: bytes) -> None:
    read_often(PLAIN)
    data = PLAIN.replace(b"archive", root)
    assert alike(data) is None
    assert scan_source(MemorySource(data, "a.pt")) == read_alone(data)


def test_names_of_files_are_looked_at() -> None:
    read_often(PLAIN)
    for name in ("b.pt", "a.safetensors", "a.jpg", "pt", "a.b/c"):
        assert scan_source(MemorySource(PLAIN, name)) == read_alone(PLAIN, name)


def test_a_pickle_where_numbers_stood_is_found() -> None:
    evil = b"\x80\x02cos\nsystem\n(tR."
    data = torch_zip(TENSOR, {"0": bytes(16), "1": evil + bytes(300 - len(evil))})
    read_often(PLAIN)
    assert alike(data) is None
    assert scan_source(MemorySource(data, "a.pt")).verdict == "dangerous"


def test_another_pickle_is_judged() -> None:
    read_often(PLAIN)
    other = TENSOR.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor_v9")
    data = with_pickle(TENSOR, other)
    assert alike(data) is not None
    report = scan_source(MemorySource(data, "a.pt"))
    assert report == read_alone(data)
    assert report.findings
    assert not scan_source(MemorySource(PLAIN, "a.pt")).findings


def test_checksum_of_the_pickle_is_compared() -> None:
    read_often(PLAIN)
    crc = zlib.crc32(TENSOR).to_bytes(4, "little")
    data = PLAIN.replace(crc, b"abcd")
    assert alike(data) is not None
    assert [found.rule for found in scan_source(MemorySource(data, "a.pt")).findings] == ["zip-crc"]


def test_of_long_records_only_the_beginning_is_read() -> None:
    read_often(LONG)
    known = alike(LONG)
    assert known is not None
    assert known.known.layout.excerpt.nbytes < len(LONG) - 19_000
    assert alike(LONG.replace(LONG_RUN[:300], b"c" * 300, 1)) is None


def test_limits_count_for_what_is_known() -> None:
    read_often(PLAIN)
    limits = DEFAULT_LIMITS._replace(max_opcodes=3)
    assert scan_source(MemorySource(PLAIN, "a.pt"), limits=limits).findings


def test_pseudo_code_is_told_of_what_is_known() -> None:
    read_often(PLAIN)
    report = scan_source(MemorySource(PLAIN, "a.pt"), explained=True)
    assert report.explanation
    assert report.explanation[0].startswith("# archive/data.pkl")


@pytest.mark.parametrize("root", ["data", "archive"])
def test_what_is_not_read_is_told_whatever_the_root_folder_is_called(root: str) -> None:
    broken = b"PK\x03\x04 and no archive"
    for name in ("data", "archive", root):
        data = torch_zip(TENSOR, {"0": bytes(16)}, root=name, extra={"other": broken})
        for _ in range(4):
            report = scan_source(MemorySource(data, "a.pt"))
            assert report == read_alone(data)
            assert report.verdict == "unreadable"
        assert alike(data) is None


def test_nothing_is_learned_of_what_is_odd() -> None:
    for _ in range(4):
        scan_source(MemorySource(EVIL, "a.pt"))
    assert alike(EVIL) is None


def test_what_is_kept_is_bounded() -> None:
    for number in range(100):
        data = torch_zip(TENSOR, {"0": bytes(16), "1": bytes(number + 1)})
        for _ in range(3):
            scan_source(MemorySource(data, f"a.{number}"))
    kept = [known for several in known_layouts._MEMO.found.values() for known in several]  # noqa: SLF001
    assert 0 < len(kept) <= 32
    for number in range(100):
        scan_source(MemorySource(data, f"a.{number}"))
    known = alike(data)
    assert known is not None
    assert 0 < len(known.known.reports) <= 8


def test_archives_that_never_come_again_are_not_all_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_layouts, "_MOST_IN_VAIN", 3)
    monkeypatch.setattr(known_layouts, "_ONE_OF", 4)
    monkeypatch.setattr(scanner, "_LENGTHS", set())
    unlike = [torch_zip(TENSOR, {"0": bytes(16), "1": bytes(302 + i)}) for i in range(12)]
    for data in unlike:
        for _ in range(2):
            scan_source(MemorySource(data, "a.pt"))
    learned = [number for number, data in enumerate(unlike) if alike(data) is not None]
    assert learned == [0, 1, 2, 3, 7, 11]


def test_archive_that_comes_often_is_learned_in_the_end() -> None:
    for i in range(100):
        for _ in range(2):
            data = torch_zip(TENSOR, {"0": bytes(16), "1": bytes(300 + i)})
            scan_source(MemorySource(data, "a.pt"))
    for _ in range(40):
        scan_source(MemorySource(PLAIN, "a.pt"))
    assert alike(PLAIN) is not None

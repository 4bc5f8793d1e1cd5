"""What was scanned before makes no difference to what is said of a file.

Folders hold files that are laid out alike, and what they have in common is read and judged once.
Here each file that differs a little from one that was scanned often is scanned again by itself.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.errors import SourceError
from converter.inert.nodes import DictNode
from converter.risk import choice, scanner
from converter.risk.finding import Finding, Location, Severity
from converter.risk.gathering import alike_archives, pickle_layout
from converter.risk.scanner import scan_source
from corpus.hostile_writer import PROTO2, STOP, storage, tensor
from tests.conftest import REPOSITORY
from tests.support.alike_files import AlikeArchives, changed_pickle
from tests.support.fresh_scans import nothing_known, scanned_afresh
from tests.support.odd_pickles import PickleWriter
from tests.support.pickles import torch_zip
from tests.support.shares import share
from tests.support.small_files import SMALL_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from converter.risk.case import Case, Rule

SEEDS = st.integers(0, 2**32 - 1)
NAMES: Final = (*("a.pt",) * 8, "b.pt", "a.jpg", "a.safetensors", "a", "a.txt")
# The second time a length is seen the layout is kept, the third time what was said.
_SCANS: Final = 4
_ALIKE: Final = 12
STORAGES: Final = {"0": bytes(32), "1": b"\0\0\x80\x3f" * 8}
TENSOR: Final = PROTO2 + tensor(storage(), [4], [1]) + STOP
ARCHIVES: Final = (
    *(torch_zip(TENSOR, {"0": bytes(16), "1": bytes(300)}, root=root) for root in ("a0", "data")),
    torch_zip(TENSOR, {"0": bytes(16)}, extra={"note": b"PK and so on", "b/c.bin": bytes(300)}),
    # Long records, most of which is not read.
    torch_zip(TENSOR, {"0": bytes(16), "1": bytes(9_000), "2": b"q" * 70_000}),
    *((REPOSITORY / "corpus" / name).read_bytes() for name in ("state_dict/linear.pt",)),
)
# Of these nothing is kept yet, but for the pickles in them.
OTHERS: Final = tuple(make() for kind, make in SMALL_FILES.items() if kind != "zip")


def compared(data: bytes, name: str) -> None:
    """Scan some bytes after all that was scanned before, and as if nothing had been."""
    source = MemorySource(data, name)
    try:
        alone = scanned_afresh(source)
    except SourceError as error:
        with pytest.raises(type(error)):
            scan_source(source)
    else:
        assert scan_source(source) == alone


def scan_often(data: bytes) -> None:
    for _ in range(_SCANS):
        scan_source(MemorySource(data, "a.pt"))


def check_pickles(seed: int) -> None:
    """Hold pickles that are laid out like a known one against themselves, alone."""
    chance = random.Random(seed)  # noqa: S311 - no secrets
    pickle = PickleWriter(chance, tame=chance.random() < 0.9).write()
    with nothing_known():
        archive = torch_zip(pickle, STORAGES)
        scan_often(archive)
        for _ in range(_ALIKE):
            other = changed_pickle(chance, pickle)
            archive = torch_zip(other, STORAGES)
            if chance.random() < 0.1:
                crc = zlib.crc32(other).to_bytes(4, "little")
                wrong = chance.choice([bytes(4), b"abcd"])
                archive = archive.replace(crc, wrong, chance.choice([1, 2]))
            compared(archive, chance.choice(NAMES))
        compared(torch_zip(pickle, STORAGES), "a.pt")


def check_archives(seed: int) -> None:
    """Hold archives that are laid out like a known one against themselves, alone."""
    chance = random.Random(seed)  # noqa: S311 - no secrets
    data = chance.choice(ARCHIVES)
    archives = AlikeArchives(data)
    with nothing_known():
        scan_often(data)
        for _ in range(_ALIKE):
            compared(archives.changed(chance), chance.choice(NAMES))
        compared(data, "a.pt")


@given(SEEDS)
def test_pickles_laid_out_alike(seed: int) -> None:
    check_pickles(seed)


@given(SEEDS)
def test_archives_laid_out_alike(seed: int) -> None:
    check_archives(seed)


@settings(max_examples=share(2))
@given(SEEDS)
def test_files_of_other_kinds(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secrets
    data = chance.choice(OTHERS)
    with nothing_known():
        scan_often(data)
        for _ in range(_ALIKE):
            changed = bytearray(data)
            for _ in range(chance.randint(1, 3)):
                changed[chance.randrange(len(data))] = chance.randrange(256)
            compared(bytes(changed), chance.choice(NAMES))
        compared(data, "a.pt")


def test_processes_of_their_own_say_the_same(tmp_path: Path) -> None:
    """Nothing is kept that the other tests do not know of."""
    files = _files_alike()
    names = []
    for number, data in enumerate(files):
        path = tmp_path / f"{number:02}.pt"
        path.write_bytes(data)
        names.append(str(path))
    together = _reports(*names)
    assert len({str(report["verdict"]) for report in together}) > 1
    for number in range(_SCANS, len(files)):
        assert _reports(names[number]) == [together[number]]


def _files_alike() -> list[bytes]:
    """Return an archive a few times, and others that are laid out alike."""
    chance = random.Random(5)  # noqa: S311 - no secrets
    data = ARCHIVES[0]
    other = torch_zip(TENSOR.replace(b"cpu", b"gpu"), {"0": bytes(16), "1": bytes(300)}, root="b0")
    changed = [AlikeArchives(data).changed(chance) for _ in range(6)]
    return [*(data,) * _SCANS, data.replace(b"a0/", b"c0/"), other, *changed]


def _reports(*names: str) -> list[dict[str, Any]]:
    """Return what a process says of some files, one after the other."""
    command = [sys.executable, "-m", "converter", "scan", "--format", "json", "--jobs", "1", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)["files"]
    return found


@pytest.fixture
def planted() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def expect_found(check: Callable[[int], None], most: int) -> None:
    """Expect a check to fail within some seeds."""
    for seed in range(most):
        try:
            check(seed)
        except AssertionError:
            return
    pytest.fail(f"{most} seeds do not show it")


def _speaks_of_keys(case: Case) -> Iterator[Finding]:
    for pickle in case.pickles:
        root = pickle.graph.root
        if isinstance(root, DictNode) and any(str(key).startswith("AAAA") for key in root.items):
            yield Finding("keys", Severity.NOTE, Location(None, 0), "a key")


def test_rules_that_look_at_plain_values_would_be_seen(planted: pytest.MonkeyPatch) -> None:
    def with_another(case: Case, *, beside_pickles: bool) -> Sequence[Rule]:
        judges = choice.rules_for(case, beside_pickles=beside_pickles)
        return judges if beside_pickles else [*judges, _speaks_of_keys]

    planted.setattr(scanner, "rules_for", with_another)
    expect_found(check_pickles, 400)


def test_values_that_something_is_done_with_would_be_seen(planted: pytest.MonkeyPatch) -> None:
    planted.setattr(pickle_layout, "_used", lambda _: [])
    expect_found(check_pickles, 400)


def test_texts_that_are_more_would_be_seen(planted: pytest.MonkeyPatch) -> None:
    planted.setattr(pickle_layout, "is_blob", lambda _: False)
    expect_found(check_pickles, 400)


def test_heads_that_are_not_looked_at_would_be_seen(planted: pytest.MonkeyPatch) -> None:
    planted.setattr(alike_archives, "is_plain_head", lambda *_: True)
    expect_found(check_archives, 400)


def test_pickles_that_are_taken_for_the_first_would_be_seen(planted: pytest.MonkeyPatch) -> None:
    planted.setattr(pickle_layout.PickleLayout, "fits", lambda *_: True)
    expect_found(check_pickles, 400)

"""Every call to the system fails in every way, at every place, and nothing is lost.

Afterwards the output is absent, or as it was, or complete; the source is untouched; the error is
one of ours and one sentence; and what was left behind the next run removes.

DEPICKLE_FAULTS=all tries every place; without it the first two and every seventh of the others,
not the same ones for every fault.
"""

from __future__ import annotations

import errno
import itertools
import os
import zlib
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from converter.byteio.local import FileSource
from converter.errors import DepickleError, SinkError, SourceError
from tests.support.faults import (
    POOR,
    RENAMEAT2,
    Fault,
    fails,
    fails_afterwards,
    first,
    gives,
    half_copy,
    half_read,
    half_read_into,
    half_write,
    injected,
)
from tests.support.scenes import KINDS, NEW, Kind, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


EVERYWHERE = os.environ.get("DEPICKLE_FAULTS") == "all"


def places(seed: str) -> Iterator[int]:
    """Yield the numbers of the calls that are to fail, from 1, without end."""
    if EVERYWHERE:
        return itertools.count(1)
    return itertools.chain((1, 2), itertools.count(3 + zlib.crc32(seed.encode()) % 7, 7))


def failures(call: str, *codes: int) -> list[Fault]:
    """Return one fault for each code: at one call, and from that one on."""
    return [
        Fault(call, errno.errorcode[code], fails(code), lasts)
        for code in codes
        for lasts in (False, True)
    ]


def late(*calls: str) -> list[Fault]:
    """Return faults of calls that did their work and are said to have failed."""
    return [Fault(call, "EIO-after", fails_afterwards(errno.EIO)) for call in calls]


FAULTS = [
    *failures("open", errno.EMFILE, errno.EACCES),
    *failures("fstat", errno.EIO),
    *failures("stat", errno.EIO),
    *failures("lstat", errno.EIO, errno.EACCES),
    *failures("listdir", errno.EIO),
    *failures("scandir", errno.EIO),
    *failures("pread", errno.EIO, errno.EINTR),
    Fault("pread", "half", half_read, lasts=True),
    Fault("pread", "end", gives(b"")),
    *failures("preadv", errno.EIO),
    Fault("preadv", "half", half_read_into, lasts=True),
    Fault("preadv", "end", gives(0)),
    *failures("copy_file_range", errno.EXDEV, errno.ENOTSUP, errno.EIO, errno.ENOSPC),
    Fault("copy_file_range", "half", half_copy, lasts=True),
    Fault("copy_file_range", "end", gives(0)),
    *failures("posix_fallocate", errno.ENOSPC, errno.ENOTSUP, errno.EINTR),
    *failures("fstatvfs", errno.EIO),
    *failures("posix_fadvise", errno.EINVAL),
    *failures("pwrite", errno.ENOSPC, errno.EIO, errno.EINTR, errno.EDQUOT),
    Fault("pwrite", "half", half_write, lasts=True),
    Fault("pwrite", "nothing", gives(0), lasts=True),
    *failures("fsync", errno.EIO, errno.ENOSPC),
    *failures("link", errno.EPERM, errno.EIO, errno.EEXIST),
    *failures(RENAMEAT2, errno.EIO, errno.EEXIST),
    Fault(RENAMEAT2, "unavailable", gives(value=False), lasts=True),
    *failures("rename", errno.EIO, errno.EXDEV),
    *failures("replace", errno.EIO, errno.ENOSPC),
    *failures("mkdir", errno.ENOSPC, errno.EACCES),
    *failures("unlink", errno.EIO, errno.EROFS),
    *failures("rmdir", errno.EIO),
    Fault("close", "EIO-after", fails_afterwards(errno.EIO), lasts=True),
    *late("close", "fsync", "link", "rename", "replace", "unlink", "mkdir", "pwrite", RENAMEAT2),
]


@pytest.fixture(scope="module", autouse=True)
def every_way_of_the_bytes() -> Iterator[None]:
    """Have a small checkpoint copied by the kernel in part, and in part as short pieces."""
    with (
        mock.patch("converter.writing.copying._PAGE_NBYTES", 1),
        mock.patch("converter.byteio.short_reads.LONGEST_SHORT_NBYTES", 64),
    ):
        yield


@pytest.fixture(scope="module", params=["new", "replaced"])
def replace(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "replaced")


@pytest.fixture(scope="module", params=KINDS)
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, *, replace: bool
) -> Scene:
    kind: Kind = request.param
    return Scene(tmp_path_factory.mktemp("faults") / "place", kind, replace)


@pytest.mark.parametrize("system", ["able", "poor"])
@pytest.mark.parametrize("call", sorted({fault.call for fault in FAULTS}))
def test_nothing_is_lost(
    scene: Scene,
    call: str,
    system: str,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    always = [(one, 1) for one in POOR if one.call != call] if system == "poor" else []
    faults = [fault for fault in FAULTS if fault.call == call]
    count = sum(disturb(scene, fault, always) for fault in faults)
    name = f"{scene.kind} {'replaced' if scene.replace else 'new'} {system} {call}"
    record_testsuite_property(f"faults, {name}", count)


def disturb(scene: Scene, fault: Fault, always: list[tuple[Fault, int]]) -> int:
    """Let one fault happen at one place after the other, and check what is left each time.

    Returns:
        How often it happened.
    """
    happened = 0
    for number in places(f"{scene.kind} {scene.replace} {fault}"):
        scene.reset()
        failed = None
        with injected(*always, (fault, number)) as seen:
            try:
                report = scene.convert()
            except DepickleError as error:
                failed = error
        if failed is None:
            assert report.verification is not None
            assert report.verification.identical
            assert scene.state() == "complete", (str(fault), number, scene.listing())
        else:
            assert isinstance(failed, (SinkError, SourceError)), failed
            assert "\n" not in str(failed)
        scene.check()
        if seen.calls.get(fault.call, 0) < number:
            break
        happened += 1
    return happened


def grow(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def cut(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    """Write other bytes of the same length, as a running training does."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("happens", [grow, cut, overwrite], ids=lambda one: one.__name__)
@pytest.mark.parametrize("call", ["pread", "preadv", "copy_file_range", "pwrite", "fsync"])
@pytest.mark.parametrize("kind", KINDS)
def test_source_that_changes_meanwhile_is_noticed(
    kind: Kind, call: str, happens: Callable[[Path], None], tmp_path: Path
) -> None:
    scene = Scene(tmp_path / "place", kind, replace=True)
    compared: list[Path] = []
    real = FileSource.check_unchanged

    def check_unchanged(source: FileSource) -> None:
        real(source)
        compared.append(scene.source)

    def change() -> None:
        # Later it does not matter: everything was read, and compared with what it was.
        if not compared:
            happens(scene.source)

    for number in places(f"{kind} {call}"):
        scene.reset()
        compared.clear()
        with (
            mock.patch.object(FileSource, "check_unchanged", check_unchanged),
            injected((Fault(call, "changed", first(change)), number)) as seen,
        ):
            try:
                scene.convert()
            except DepickleError:
                assert not compared
                assert scene.state() == "before"
            else:
                assert scene.source_is_untouched()
                assert scene.state() == "complete"
        assert scene.is_tidy()
        if seen.calls.get(call, 0) < number:
            break
    assert compared, "the last place is one that is never reached"


@pytest.mark.parametrize("kind", KINDS)
def test_refused_run_tidies_up_as_well(kind: Kind, tmp_path: Path) -> None:
    scene = Scene(tmp_path / "place", kind, replace=False)
    with injected((Fault("unlink", "EIO", fails(errno.EIO), lasts=True), 1)):
        scene.convert()
    if kind != "folder":
        assert not scene.is_tidy()
    with pytest.raises(SinkError, match="exists"):
        scene.convert()
    assert scene.is_tidy()


def test_the_faults_reach_every_call_that_changes_anything(tmp_path: Path) -> None:
    """Otherwise a test above that injects nothing passes, too."""
    reached = set()
    for kind, replace in itertools.product(KINDS, (False, True)):
        scene = Scene(tmp_path / f"{kind}-{replace}", kind, replace)
        for always in ((), POOR):
            nothing = [Fault(one.call, "seen", first(lambda: None)) for one in FAULTS]
            scene.reset()
            with injected(*((one, 1) for one in always), *((one, 1) for one in nothing)) as seen:
                scene.convert()
            reached |= set(seen.calls)
    assert {fault.call for fault in FAULTS} - reached == {"posix_fadvise"}
    assert NEW.stat().st_size < 1 << 16

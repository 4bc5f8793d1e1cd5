"""Every file that fuzzing starts from keeps to the rules, and the guard sees who does not."""

from __future__ import annotations

import subprocess
import sys
import time

import msgspec
import pytest

from tests.fuzz.guard import NBYTES, SECONDS, GuardError, guarded
from tests.fuzz.parsers import PARSERS, iter_seeds

# Measuring memory takes ten times as long.
_MEASURED_NBYTES = 2_000


@pytest.mark.parametrize("name", PARSERS)
def test_seeds(name: str) -> None:
    parser = PARSERS[name]
    seeds = list(iter_seeds(parser))
    assert seeds
    for content in seeds:
        guarded(parser.read, content, measured=len(content) < _MEASURED_NBYTES)


def _compiles(_: bytes) -> None:
    compile("1", "made up", "eval")


def _opens(_: bytes) -> None:
    with open(__file__, "rb"):  # noqa: PTH123 - what the guard must see
        pass


def _starts(_: bytes) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def _allocates(_: bytes) -> None:
    bytearray(NBYTES + 10_000)


@pytest.mark.parametrize("misbehave", [_compiles, _opens, _starts, _allocates])
def test_guard_sees(misbehave: object) -> None:
    assert callable(misbehave)
    with pytest.raises(GuardError):
        guarded(misbehave, b"")


def test_guard_lets_our_own_annotations_be_read() -> None:
    class First(msgspec.Struct):
        count: int

    guarded(lambda content: msgspec.json.decode(content, type=First), b'{"count": 1}')


def test_guard_sees_the_slow() -> None:
    def dawdle(_: bytes) -> None:
        stop = time.process_time() + SECONDS + 0.1
        while time.process_time() < stop:
            pass

    with pytest.raises(GuardError):
        guarded(dawdle, b"", measured=False)

"""A process that is killed at any moment loses nothing, and the next one tidies up.

DEPICKLE_KILLS says how many kills there are in all; the default is a few for each kind of output.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY
from tests.support.pickles import tensor_opcodes, text, torch_zip
from tests.support.scenes import KINDS, NEW, Kind, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    # (scene, system, moment) → what became of it
    Drive = Callable[[Scene, str, str], str]
    Ask = Callable[[str], str]

SYSTEMS = ("able", "poor")
KILLS = int(os.environ.get("DEPICKLE_KILLS", "96"))
# For each kind of output, new or replacing, on each system.
SHARE = max(4, KILLS // (len(KINDS) * len(SYSTEMS) * 2))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


@pytest.fixture(scope="module")
def drive() -> Iterator[Drive]:
    """Give a function that has one conversion killed and says what became of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.kill_driver"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(scene: Scene, system: str, moment: str) -> str:
            words = (str(scene.folder), scene.kind, str(scene.replace), system, moment)
            stdin.write("\t".join(words) + "\n")
            stdin.flush()
            return stdout.readline().strip()

        yield ask
        stdin.close()


def moments(calls: int, events: int) -> list[str]:
    """Return every moment at which anything on disk may look different."""
    words = [(word, calls) for word in ("before", "after", "midway")] + [("progress", events)]
    return [f"{word} {number}" for word, count in words for number in range(1, count + 1)]


def dice(seed: str) -> random.Random:
    """Return the same throws for the same seed."""
    return random.Random(seed)  # noqa: S311 - moments are not secrets


def large_checkpoint(path: Path) -> Path:
    """Write one whose conversion takes long enough to be killed in the middle."""
    numbers = dice("bytes")
    storages = {str(key): numbers.randbytes(1 << 20) for key in range(4)}
    items = b"".join(text(f"w{key}") + tensor_opcodes(key, 1 << 18) for key in storages)
    path.write_bytes(torch_zip(b"\x80\x02}(" + items + b"u.", storages))
    return path


def survive(scene: Scene, ask: Ask, *lines: str) -> int:
    """Have conversions killed, one after the other, and check; return how many were."""
    scene.reset()
    answers = [ask(line) for line in lines]
    for line, found in zip(lines, answers, strict=True):
        if found.startswith("done"):
            assert line.startswith("time")
        elif found.startswith("refused"):  # the one before was killed when all was done
            assert "exists" in found
            assert line != lines[0]
        else:
            assert found == "killed"
    assert scene.source_is_untouched()
    scene.check()
    state = scene.state()
    scene.rerun(state)
    return answers.count("killed")


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("replace", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_a_step(
    kind: Kind,
    system: str,
    tmp_path: Path,
    drive: Drive,
    record_testsuite_property: Callable[[str, object], None],
    *,
    replace: bool,
) -> None:
    name = f"{kind} {system} {'replaced' if replace else 'new'}"
    scene = Scene(tmp_path / "place", kind, replace, NEW)
    ask = partial(drive, scene, system)
    chosen = dice(name)
    _, calls, events, _ = ask("whole").split()
    assert scene.state() == "complete"
    every = moments(int(calls), int(events))
    kills = sum(
        survive(scene, ask, moment)
        for moment in chosen.sample(every, min(len(every), SHARE - SHARE // 4))
    )
    # The next run, which tidies up, is killed as well.
    for _ in range(SHARE // 8):
        first = f"before {chosen.randint(1, int(calls))}"
        kills += survive(scene, ask, first, f"after {chosen.randint(1, 4)}")
    record_testsuite_property(f"kills at steps, {name}", kills)


@pytest.mark.parametrize("replace", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_time(
    kind: Kind,
    tmp_path: Path,
    drive: Drive,
    record_testsuite_property: Callable[[str, object], None],
    *,
    replace: bool,
) -> None:
    name = f"{kind} {'replaced' if replace else 'new'}"
    original = large_checkpoint(tmp_path / "large.pt")
    scene = Scene(tmp_path / "place", kind, replace, original)
    ask = partial(drive, scene, "able")
    seconds = float(ask("whole").split()[-1])
    times = [dice(f"{name} {n}").uniform(0, seconds) for n in range(max(1, SHARE // 2))]
    kills = sum(survive(scene, ask, f"time {at:.6f}") for at in times)
    record_testsuite_property(f"kills at any time, {name}", kills)


def test_the_driver_kills_at_every_step(tmp_path: Path, drive: Drive) -> None:
    """Otherwise the tests above could pass without a single kill."""
    scene = Scene(tmp_path / "place", "sidecar", replace=True)
    ask = partial(drive, scene, "able")
    states = []
    _, calls, _, _ = ask("whole").split()
    for number in range(1, int(calls) + 1):
        scene.reset()
        assert ask(f"after {number}") == "killed"
        states.append(scene.state())
    scene.reset()
    assert ask(f"after {int(calls) + 1}").startswith("done")
    assert states[0] == "before"
    assert states[-1] == "complete"

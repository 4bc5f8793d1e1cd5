"""Whatever a file tries, reading and converting it imports, calls and allocates nothing of it."""

from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import given, settings

import converter
from converter.byteio.source import MemorySource
from converter.conversion import ConversionSettings
from converter.errors import DepickleError
from converter.inert.machine import read_graph
from converter.risk.policy import policy_of
from converter.strategies import TRICKS, TRIPWIRE, HostileFile, hostile_files, opcode_streams
from tests.fuzz.guard import guarded
from tests.fuzz.parsers import PARSERS
from tests.support.shares import share
from tests.support.temporary import folder

pytestmark = pytest.mark.timeout(0)

# Refused files are not read further: these must be.
ANY_VERDICT = ConversionSettings(policy=policy_of(["dangerous"]))


@settings(max_examples=share(2))
@given(hostile_files())
def test_hostile_file(file: HostileFile) -> None:
    with folder() as place:
        path = file.write(place)
        with contextlib.suppress(DepickleError):
            converter.inspect(path)
        with contextlib.suppress(DepickleError):
            converter.convert(path, place / "out.safetensors", settings=ANY_VERDICT)
        assert {one.name for one in place.iterdir()} <= {path.name, "out.safetensors"}
    assert TRIPWIRE[0] not in sys.modules


@pytest.mark.parametrize("trick", TRICKS)
def test_every_trick(trick: str) -> None:
    @settings(max_examples=3, database=None, derandomize=True)
    @given(hostile_files(tricks=[trick]))
    def read(file: HostileFile) -> None:
        guarded(PARSERS["file"].read, file.content, measured=False)

    read()


@settings(max_examples=share(2))
@given(opcode_streams())
def test_any_opcodes(stream: bytes) -> None:
    guarded(PARSERS["machine"].read, stream, measured=False)


@settings(max_examples=share(2))
@given(opcode_streams(kind="benign"))
def test_benign_opcodes(stream: bytes) -> None:
    graph = read_graph(MemorySource(stream, "stream"))
    assert graph.error is None
    assert graph.leftover == []
    assert graph.stop == len(stream)

"""The names that a scan reports are those that pickletools sees looked up."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import pathlib
import pickle
import pickletools
import types
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pytest

from converter.byteio.source import MemorySource
from converter.inert.machine import read_graph
from converter.risk.gathering import gather
from converter.risk.scanner import scan_source
from tests.support import own_classes

if TYPE_CHECKING:
    from collections.abc import Iterator

HARMLESS = [
    collections.OrderedDict(a=1),
    collections.Counter("abc"),
    collections.deque([1], 5),
    dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    decimal.Decimal("1.5"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=5),
    pathlib.PurePosixPath("/a/b"),
    types.SimpleNamespace(a=1),
    np.random.default_rng(0),
    np.random.RandomState(0),
    np.float32(1.5),
    np.zeros((2, 3), order="F"),
    [b"bytes", bytearray(b"x"), 1j, {1, 2}, frozenset({3}), None, ..., slice(1, 2), range(3)],
]


def looked_up(data: bytes) -> Iterator[str]:
    """Yield ``module.name`` of every look-up, from pickletools' opcodes alone."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = strings[-1] if strings else ""
        elif "UNICODE" in opcode.name:
            strings.append(str(argument))
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            strings.append(memo.get(int(argument or 0), ""))
        elif opcode.name not in ("PROTO", "FRAME"):
            strings.append("")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [*HARMLESS, own_classes.Point(1), [own_classes.Point(2)] * 3])
def test_the_same_names(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    facts = gather(MemorySource(data, "x"))
    ours = [f"{node.module}.{node.name}" for node in facts.pickles[0].graph.globals]
    assert sorted(set(ours)) == sorted(set(looked_up(data)))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", HARMLESS)
def test_harmless_values_are_safe(value: object, protocol: int) -> None:
    report = scan_source(MemorySource(pickle.dumps(value, protocol), "x"))
    assert report.verdict == "safe"
    assert report.imports == ()


@pytest.mark.parametrize("protocol", range(6))
def test_a_class_of_ones_own_is_unknown(protocol: int) -> None:
    data = pickle.dumps(own_classes.Point(1), protocol)
    report = scan_source(MemorySource(data, "x"))
    assert report.verdict == "unknown"
    assert report.imports == (f"{own_classes.__name__}.Point",)
    assert read_graph(MemorySource(data, "x")).error is None

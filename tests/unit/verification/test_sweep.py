"""Many comparisons over two threads give what one thread gives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from converter.byteio.source import ByteSource
from converter.errors import SourceError
from converter.limits import Limits
from converter.progress import SilentProgress
from converter.verification.addressing import contiguous_layout
from converter.verification.differences import Comparison
from converter.verification.sweep import Sweep
from tests.unit.verification.references import counting, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(gather_chunk_bytes=8_000)
MANY = 1 << 40  # an estimate that asks for two threads


def comparison_of(name: str, left: ByteSource, right: ByteSource) -> Comparison:
    shape = (left.nbytes,)
    expected, found = (contiguous_layout(side, 0, 1, shape) for side in (left, right))
    return Comparison(expected, found, LIMITS, name=name, file="f", shape=shape)


def planted(count: int) -> Iterator[Comparison]:
    """Yield comparisons of which every third differs at the element of its own number."""
    raw = counting(5_000)
    for number in range(count):
        other = bytearray(raw)
        if number % 3 == 0:
            other[number] ^= 255
        yield comparison_of(str(number), source_of(raw), source_of(bytes(other)))


@pytest.mark.parametrize("total", [0, MANY])
def test_everything_is_compared_once(total: int) -> None:
    sweep = Sweep(planted(100), SilentProgress(), max_kept=1_000)
    found = sweep.run(total)
    assert [(one.name, one.flat_index) for one in found] == [
        (str(number), number) for number in range(0, 100, 3)
    ]
    assert sweep.difference_count == 34
    assert sweep.nbytes == 500_000


@pytest.mark.parametrize("total", [0, MANY])
def test_list_has_an_end_and_the_count_has_none(total: int) -> None:
    sweep = Sweep(planted(100), SilentProgress(), max_kept=5)
    assert len(sweep.run(total)) == 5
    assert sweep.difference_count == 34


class _Broken(ByteSource):
    __slots__ = ("_threads",)

    def __init__(self) -> None:
        self.name = "broken"
        self.nbytes = 5_000

    def _read(self, offset: int, nbytes: int) -> bytes:
        msg = "read failed"
        raise SourceError(msg)


@pytest.mark.parametrize("total", [0, MANY])
def test_failure_stops_everything(total: int) -> None:
    made = 0

    def endless() -> Iterator[Comparison]:
        nonlocal made
        while True:
            made += 1
            right = _Broken() if made == 5 else source_of(counting(5_000))
            yield comparison_of(str(made), source_of(counting(5_000)), right)

    with pytest.raises(SourceError, match="read failed"):
        Sweep(endless(), SilentProgress(), max_kept=5).run(total)
    assert made < 10_000
    assert not [t for t in threading.enumerate() if t.name.startswith("depickle-verify")]


def test_progress_adds_up() -> None:
    seen: list[int] = []

    class _Watch(SilentProgress):
        def advance(self, nbytes: int) -> None:
            seen.append(nbytes)

    Sweep(planted(10), _Watch(), max_kept=5).run(MANY)
    assert sum(seen) == 50_000

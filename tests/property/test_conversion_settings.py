"""How a conversion goes about its work changes nothing in what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import converter
from converter.limits import DEFAULT_LIMITS
from converter.strategies import CheckpointFile, checkpoint_files
from converter.verification import sweep
from converter.verification.addressing import Box
from converter.verification.differences import Comparison
from converter.writing.gather import TensorBytes
from tests.support.round_trips import ANY_VERDICT, converted
from tests.support.shares import share
from tests.support.temporary import folder

pytestmark = [pytest.mark.torch, pytest.mark.timeout(0)]

some_files = checkpoint_files(style="state_dict") | checkpoint_files(style="bundle")


@settings(max_examples=share(4))
@given(checkpoint_files())
def test_twice_is_the_same(file: CheckpointFile) -> None:
    with folder() as place:
        source, target, _ = converted(file, place)
        again = place / "again.safetensors"
        converter.convert(source, again, settings=ANY_VERDICT)
        assert again.read_bytes() == target.read_bytes()


@settings(max_examples=share(3))
@given(some_files, st.integers(1, 40), st.integers(1, 200), st.integers(1, 3))
def test_chunks_and_threads(file: CheckpointFile, copied: int, gathered: int, threads: int) -> None:
    limits = DEFAULT_LIMITS._replace(copy_chunk_bytes=copied, gather_chunk_bytes=gathered)
    with folder() as place, pytest.MonkeyPatch.context() as patch:
        source, target, _ = converted(file, place)
        patch.setattr(sweep, "_ALONE_NBYTES", 0)
        patch.setattr(sweep, "_THREADS", threads)
        pieces = place / "pieces.safetensors"
        report = converter.convert(source, pieces, settings=replace(ANY_VERDICT, limits=limits))
        assert report.verification is not None
        assert report.verification.identical
        assert pieces.read_bytes() == target.read_bytes()


@settings(max_examples=share(3))
@given(some_files, st.randoms(use_true_random=False))
def test_order_of_chunks(file: CheckpointFile, random: Random) -> None:
    limits = DEFAULT_LIMITS._replace(gather_chunk_bytes=64)
    written, compared = TensorBytes.iter_placed, Comparison.boxes

    def iter_placed(self: TensorBytes) -> Iterator[tuple[int, memoryview]]:
        # Each piece is one buffer, which the next one overwrites.
        pieces = [(start, memoryview(bytes(piece))) for start, piece in written(self)]
        random.shuffle(pieces)
        return iter(pieces)

    def boxes(self: Comparison) -> Iterator[Box]:
        found = list(compared(self))
        random.shuffle(found)
        return iter(found)

    with folder() as place, pytest.MonkeyPatch.context() as patch:
        source, target, _ = converted(file, place)
        patch.setattr(TensorBytes, "iter_placed", iter_placed)
        patch.setattr(Comparison, "boxes", boxes)
        shuffled = place / "shuffled.safetensors"
        report = converter.convert(source, shuffled, settings=replace(ANY_VERDICT, limits=limits))
        assert report.verification is not None
        assert report.verification.identical
        assert shuffled.read_bytes() == target.read_bytes()

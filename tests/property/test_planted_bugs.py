"""The properties find what they are there to find: mistakes planted one by one.

Each is one that converters have made. It is planted where our own verifier would share it, if
there is such a place, so that only the live object can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import numpy as np

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.tree_encoding import TreeEncoder
from converter.checkpoint.values import Value
from converter.dtypes import BY_NAME, BY_STORAGE_CLASS
from converter.readers import components, styles, torch_zip
from converter.readers.rebuild import torch_tensors
from converter.strategies import CheckpointFile, checkpoint_files
from converter.verification.boxes import Scratch, read_box
from converter.verification.differences import Comparison
from tests.support import round_trips
from tests.support.round_trips import (
    check_damage_is_seen,
    check_round_trip,
    check_values,
)

pytestmark = [pytest.mark.torch, pytest.mark.timeout(0)]

EXAMPLES = 400
bounded = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


@pytest.fixture
def planted() -> Iterator[pytest.MonkeyPatch]:
    """A mistake that stays for one whole test, whatever Hypothesis makes of its function."""
    with pytest.MonkeyPatch.context() as patch:
        # What is found equal by mistake is no round trip.
        patch.setattr(round_trips, "count", round_trips.count)
        yield patch


def expect_found(prop: Callable[[CheckpointFile], None], style: str) -> None:
    """Run a property and expect it to fail within `EXAMPLES` examples."""

    @bounded
    @given(checkpoint_files(style=style))
    def run(file: CheckpointFile) -> None:
        prop(file)

    with pytest.raises(AssertionError):
        run()


def test_stride_off_by_one(planted: pytest.MonkeyPatch) -> None:
    honest = torch_tensors.strided

    def wrong(*args: Any, **options: Any) -> TensorRef:  # noqa: ANN401 - passed on
        tensor = honest(*args, **options)
        if not tensor.stride:
            return tensor
        other = replace(tensor, stride=(*tensor.stride[:-1], tensor.stride[-1] + 1))
        return other if other.byte_range[1] <= tensor.storage.nbytes else tensor

    planted.setattr(torch_tensors, "strided", wrong)
    expect_found(check_round_trip, "state_dict")


def test_wrong_byte_order(planted: pytest.MonkeyPatch) -> None:
    planted.setattr(torch_zip, "_is_big_endian", lambda *_: False)
    expect_found(check_round_trip, "state_dict")


def test_dropped_alias(planted: pytest.MonkeyPatch) -> None:
    honest = components.component_of

    def wrong(*args: Any) -> Any:  # noqa: ANN401 - passed on
        component, remarks = honest(*args)
        first = {id(tensor): name for name, tensor in reversed(component.tensors.items())}
        for name, tensor in list(component.tensors.items()):
            if first[id(tensor)] != name:
                del component.tensors[name]
        return component, remarks

    planted.setattr(styles, "component_of", wrong)
    expect_found(check_round_trip, "state_dict")


def test_bfloat16_read_as_float16(planted: pytest.MonkeyPatch) -> None:
    planted.setitem(BY_STORAGE_CLASS, "BFloat16Storage", BY_NAME["float16"])
    expect_found(check_round_trip, "state_dict")


def test_conjugate_bit_ignored(planted: pytest.MonkeyPatch) -> None:
    honest = torch_tensors._bits  # noqa: SLF001 - the place of the mistake

    def wrong(*args: Any) -> tuple[bool, bool]:  # noqa: ANN401 - passed on
        return (False, honest(*args)[1])

    planted.setattr(torch_tensors, "_bits", wrong)
    expect_found(check_round_trip, "state_dict")


def test_optimizer_id_became_a_string(planted: pytest.MonkeyPatch) -> None:
    honest = TreeEncoder._pairs  # noqa: SLF001 - the place of the mistake

    def wrong(self: TreeEncoder, entries: Iterable[tuple[Value, Value]], depth: int) -> Any:  # noqa: ANN401 - passed on
        spelled = [(str(key) if type(key) is int else key, item) for key, item in entries]
        return honest(self, spelled, depth)

    planted.setattr(TreeEncoder, "_pairs", wrong)

    def check(file: CheckpointFile) -> None:
        assume("args" not in file.value)
        check_values(file)

    expect_found(check, "bundle")


def test_verifier_that_compares_values(planted: pytest.MonkeyPatch) -> None:
    honest = Comparison.compare

    def wrong(self: Comparison, box: Any, scratch: Scratch) -> Any:  # noqa: ANN401 - passed on
        sides = [
            read_box(layout, box, scratch, side)
            for layout, side in ((self._expected, "expected"), (self._found, "found"))
        ]
        if self._expected.unit == 4:
            left, right = (side.view("<f4") for side in sides)
            if np.array_equal(left, right, equal_nan=True):
                return None
        return honest(self, box, scratch)

    planted.setattr(Comparison, "compare", wrong)

    @bounded
    # A sign bit: that of a zero is what comparing values does not see.
    @given(checkpoint_files(style="state_dict"), st.sampled_from([3, 7]), st.just(7))
    def run(file: CheckpointFile, at: int, bit: int) -> None:
        check_damage_is_seen(file, at, bit)

    with pytest.raises(AssertionError):
        run()

"""Wrong arguments are refused by name, with what would have been right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from converter.strategies import (
    checkpoint_files,
    checkpoints,
    hostile_files,
    modules,
    opcode_streams,
    optimizers,
    tensors,
)
from tests.support.examples import first_example


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: opcode_streams(kind="odd"), "kind='odd' must be one of 'benign', 'arbitrary'"),
        (lambda: opcode_streams(max_opcodes=-1), "max_opcodes=-1 must be an int of at least 0"),
        (lambda: hostile_files(tricks=[]), "tricks=.. must be a sequence of at least one choice"),
        (lambda: hostile_files(tricks="reduce"), "tricks='reduce' must be a sequence"),
        (lambda: hostile_files(tricks=["magic"]), "tricks with='magic' must be one of"),
        (lambda: checkpoints(style="dict"), "style='dict' must be one of 'state_dict'"),
        (lambda: checkpoint_files(forms=["rar"]), "forms with='rar' must be one of 'zip'"),
        (lambda: checkpoint_files(protocols=[0]), "protocols=.0. must be a sequence of some"),
    ],
)
def test_wrong_argument(make: Callable[[], st.SearchStrategy[Any]], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        first_example(make())


@pytest.mark.torch
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tensors(dtypes=["float33"]), "dtypes with='float33' must be one of 'float32'"),
        (lambda: tensors(max_dims=True), "max_dims=True must be an int of at least 0"),
        (lambda: tensors(max_side=-2), "max_side=-2 must be an int of at least 0"),
        (lambda: modules(max_depth=-1), "max_depth=-1 must be an int of at least 0"),
        (lambda: optimizers(names=["Sgd"]), "names with='Sgd' must be one of 'SGD'"),
    ],
)
def test_wrong_argument_with_torch(
    make: Callable[[], st.SearchStrategy[Any]], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        first_example(make())

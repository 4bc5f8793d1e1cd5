"""What the strategies shrink to can be read, and everything they promise does occur."""

from __future__ import annotations

import pickletools
import sys
from typing import Any

import pytest
from hypothesis import given, settings

from converter.strategies import (
    DTYPE_NAMES,
    TRIPWIRE,
    CheckpointFile,
    checkpoint_files,
    hostile_files,
    modules,
    opcode_streams,
    optimizers,
    tensor_groups,
    tensors,
)
from tests.support.examples import first_example, minimal

on_torch = pytest.mark.torch


def anything(_: object) -> bool:
    return True


def test_streams_shrink() -> None:
    assert minimal(opcode_streams(kind="benign"), anything) == b"N."
    assert minimal(opcode_streams(kind="arbitrary"), lambda stream: b"R" in stream) == b"R."


def test_hostile_file_shrinks() -> None:
    file = minimal(hostile_files(), anything)
    assert (file.trick, file.container) == ("reduce", "pickle")
    names = [argument for code, argument, _ in pickletools.genops(file.content) if argument]
    assert " ".join(TRIPWIRE) in names
    assert "content" not in repr(file)
    assert TRIPWIRE[0] not in sys.modules


@on_torch
@pytest.mark.parametrize("dtype", DTYPE_NAMES)
def test_tensor_shrinks(dtype: str) -> None:
    tensor: Any = first_example(tensors(dtypes=[dtype]))
    assert str(tensor.dtype) == f"torch.{dtype}"
    assert tuple(tensor.shape) == ()
    assert tensor.is_contiguous()


@on_torch
def test_tensors_occur() -> None:
    def found(condition: Any, dtype: str = "float32") -> Any:  # noqa: ANN401 - of a torch.Tensor
        return minimal(tensors(dtypes=[dtype]), condition)

    assert 0 in found(lambda t: t.numel() == 0).shape
    assert 0 in found(lambda t: 0 in t.stride() and t.numel() > 1).stride()
    assert found(lambda t: t.is_neg()).is_neg()
    assert found(lambda t: t.is_conj(), "complex64").is_conj()
    assert found(lambda t: t.requires_grad).requires_grad
    assert found(lambda t: t.storage_offset() == 2).storage_offset() == 2
    assert found(lambda t: bool((t != t).any())).isnan().any()  # noqa: PLR0124 - NaN
    assert not found(lambda t: not t.is_contiguous()).is_contiguous()


def elements(tensor: Any) -> set[int]:  # noqa: ANN401 - a torch.Tensor
    """Return which elements of its storage a tensor has."""
    found = {tensor.storage_offset()} if tensor.numel() else set()
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        found = {place + step * stride for place in found for step in range(size)}
    return found


@on_torch
def test_groups_overlap_and_lie_apart() -> None:
    def parts(group: list[Any]) -> list[set[int]]:
        assert len({tensor.untyped_storage().data_ptr() for tensor in group}) == 1
        return [elements(tensor) for tensor in group]

    def partly(group: list[Any]) -> bool:
        return len(group) == 2 and bool(parts(group)[0] & parts(group)[1] != parts(group)[0])

    strategy = tensor_groups(dtypes=["float32"])
    assert len(minimal(strategy, anything)) == 1
    overlapping = minimal(
        strategy, lambda group: partly(group) and bool(set.intersection(*parts(group)))
    )
    assert len(overlapping) == 2
    apart = minimal(
        strategy,
        lambda group: len(group) == 2 and all(parts(group)) and not set.intersection(*parts(group)),
    )
    assert len(apart) == 2


@on_torch
def test_module_shrinks() -> None:
    assert repr(first_example(modules())) == "Linear(in_features=2, out_features=3, bias=True)"


@on_torch
def test_modules_occur() -> None:
    def found(condition: Any) -> Any:  # noqa: ANN401 - of a torch.nn.Module
        return minimal(modules(), condition)

    def duplicated(module: Any) -> bool:  # noqa: ANN401 - as above
        every = [one for _, one in module.named_modules(remove_duplicate=False)]
        return len(every) > len(set(every))

    assert type(found(lambda m: type(m).__name__ == "Inner")).__qualname__ == "Net.Inner"
    assert type(found(lambda m: type(m).__name__ == "DataParallel")).__name__ == "DataParallel"
    assert duplicated(found(duplicated))
    assert not found(lambda m: not m.training).training


@on_torch
def test_optimizer_shrinks() -> None:
    optimizer: Any = first_example(optimizers())
    assert type(optimizer).__name__ == "SGD"
    assert optimizer.state_dict()["state"] == {}


@on_torch
def test_file_shrinks() -> None:
    file: CheckpointFile = minimal(checkpoint_files(), anything)
    assert (file.style, file.form, file.protocol) == ("state_dict", "zip", 2)
    assert repr(file).startswith("CheckpointFile(value={'weight': tensor(0.)}")
    assert file.weights_only
    assert not file.is_big_endian


@on_torch
def test_what_torch_cannot_print_is_shown() -> None:
    @settings(max_examples=1, database=None, print_blob=False)
    @given(tensors(dtypes=["bits16"]))
    def fail(tensor: object) -> None:  # noqa: ARG001 - only shown
        msg = "on purpose"
        raise ZeroDivisionError(msg)

    with pytest.raises(ZeroDivisionError, match="on purpose") as raised:
        fail()
    assert "size=(), dtype=torch.bits16" in "".join(raised.value.__notes__)

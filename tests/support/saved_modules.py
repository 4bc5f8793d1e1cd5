"""Saves live modules with torch, and compares them with what is recovered without their classes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

from converter.byteio.source import MemorySource
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    InertValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.limits import DEFAULT_LIMITS, Limits
from converter.readers.module_state import module_state
from converter.readers.styles import canonical
from converter.readers.torch_legacy import blob_opener, read_torch_legacy
from converter.readers.torch_zip import read_torch_zip
from converter.writing.gather import TensorBytes

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Checkpoint, Component

Container = Literal["zip", "legacy"]
CONTAINERS: tuple[Container, ...] = ("zip", "legacy")


def saved(value: object, container: Container, **options: Any) -> bytes:  # noqa: ANN401 - torch's
    """Return what ``torch.save`` writes for a value."""
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=container == "zip", **options)
    return buffer.getvalue()


def opened(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Checkpoint:
    """Return the checkpoint that some bytes hold."""
    source = MemorySource(data, "saved")
    read = read_torch_zip if data.startswith(b"PK") else read_torch_legacy
    checkpoint = canonical(read(source, limits, blob_opener(limits)), limits)
    if checkpoint.opened.error is not None:
        raise checkpoint.opened.error
    return checkpoint


def recovered(value: object, container: Container = "zip") -> Component:
    """Return the one component that a saved module becomes."""
    checkpoint = opened(saved(value, container))
    assert checkpoint.style == "module"
    assert checkpoint.bare
    (component,) = checkpoint.components
    assert component.kind == "model"
    assert component.module is not None
    return component


def content(tensor: TensorRef) -> bytes:
    """Return the bytes of a tensor in contiguous form."""
    return b"".join(bytes(chunk) for chunk in TensorBytes(tensor, DEFAULT_LIMITS))


def live_content(tensor: Any) -> bytes:  # noqa: ANN401 - a torch.Tensor
    """Return the bytes of a live tensor in contiguous form."""
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    raw = plain.flatten().view(torch.uint8) if plain.numel() else plain.new_empty(0)
    return bytes(raw.numpy().tobytes())


def described(component: Component) -> dict[str, object]:
    """Return name → (dtype, shape, bytes) of the recovered state_dict, in its order.

    A quantised tensor shows its integers, one without data its kind, any other value its type.
    """
    assert component.module is not None
    entries = module_state(component.value, DEFAULT_LIMITS).entries
    dense = [name for name, value in entries.items() if isinstance(value, TensorRef)]
    assert [name for name in component.tensors if name in entries] == dense
    for name, value in entries.items():
        if isinstance(value, CompositeTensor):
            assert component.composites[name] is value
        elif not isinstance(value, TensorRef):
            assert name in component.module.values
    return {name: _described(value) for name, value in entries.items()}


def _described(value: Value) -> object:
    if isinstance(value, TensorRef):
        return (value.dtype.name, value.shape, content(value))
    if isinstance(value, CompositeTensor):
        integers = dict(value.parts).get("int_repr")
        if isinstance(integers, TensorRef):
            return (value.kind, integers.shape, content(integers))
        return value.kind
    if isinstance(value, SequenceValue):
        return (value.kind, [_described(item) for item in value.items])
    if isinstance(value, PlainValue):
        return value.kind.rpartition(".")[2]
    if isinstance(value, InertValue):
        return value.class_name.rpartition(".")[2]
    return type(value).__name__


def live_described(module: Any) -> dict[str, object]:  # noqa: ANN401 - a torch.nn.Module
    """Return the live ``state_dict()`` in the form of `described`."""
    return {name: _live_described(value) for name, value in module.state_dict().items()}


def _live_described(value: Any) -> object:  # noqa: ANN401 - what a state_dict holds
    import torch
    from torch.nn.parameter import is_lazy

    if is_lazy(value):
        return "uninitialized"
    if isinstance(value, torch.Tensor):
        if value.is_meta:
            return "meta"
        if value.is_quantized:
            return ("quantized", tuple(value.shape), live_content(value.int_repr()))
        dtype = str(value.dtype).removeprefix("torch.")
        return (dtype, tuple(value.shape), live_content(value))
    if isinstance(value, tuple):
        return ("tuple", [_live_described(item) for item in value])
    return type(value).__name__

"""Tensors that are more than their elements: converted, and back as torch itself loads them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")

import safetensors.torch
import torch
from torch import nn

import converter
from converter.errors import PlanError
from tests.support.live_bytes import live_described

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def numbers(*shape: int) -> Any:  # noqa: ANN401 - a tensor
    generator = torch.Generator().manual_seed(len(shape))
    dense = torch.randn(shape, generator=generator)
    return dense * (torch.rand(shape, generator=generator) > 0.5)


def channels(dtype: str, axis: int, *, floats: bool = False, width: int = 6) -> Any:  # noqa: ANN401
    count = (4, width)[axis]
    zeros = torch.linspace(0, 3, count) if floats else torch.arange(count)
    scales = torch.linspace(0.1, 0.4, count)
    return torch.quantize_per_channel(numbers(4, width), scales, zeros, axis, getattr(torch, dtype))


def ragged(**options: Any) -> Any:  # noqa: ANN401
    return torch.nested.nested_tensor([numbers(2, 3), numbers(4, 3)], **options)


def view(name: str) -> Any:  # noqa: ANN401
    return torch.arange(8, dtype=torch.uint8).view(getattr(torch, name))


MADE: dict[str, Callable[[], Any]] = {
    "coo": lambda: numbers(4, 6).to_sparse(),
    "coo_hybrid": lambda: torch.sparse_coo_tensor([[0, 2]], numbers(2, 3), (4, 3)),
    "coo_uncoalesced": lambda: torch.sparse_coo_tensor([[0, 0, 1]], [1.0, 2.0, 3.0], (3,)),
    "coo_empty": lambda: torch.sparse_coo_tensor(size=(3, 4)),
    "coo_complex128": lambda: numbers(3, 3).to(torch.complex128).to_sparse(),
    "coo_parameter": lambda: nn.Parameter(numbers(4, 6).to_sparse()),
    "csr": lambda: numbers(4, 6).to_sparse_csr(),
    "csr_int32": lambda: torch.sparse_csr_tensor(
        torch.tensor([0, 1, 2], dtype=torch.int32),
        torch.tensor([0, 1], dtype=torch.int32),
        torch.tensor([1.0, 2.0]),
        (2, 2),
    ),
    "csr_batch": lambda: torch.stack([torch.eye(3), torch.eye(3).flip(0)]).to_sparse_csr(),
    "csc": lambda: numbers(4, 6).bfloat16().to_sparse_csc(),
    "bsr": lambda: numbers(4, 6).to_sparse_bsr((2, 3)),
    "bsc": lambda: numbers(4, 6).to_sparse_bsc((2, 3)),
    "nested": ragged,
    "nested_two_ways": lambda: torch.nested.nested_tensor([numbers(2, 3), numbers(4, 1)]),
    "per_tensor_quint8": lambda: torch.quantize_per_tensor(numbers(4, 6), 0.1, 3, torch.quint8),
    "per_tensor_qint8": lambda: torch.quantize_per_tensor(numbers(4, 6), 0.1, -3, torch.qint8),
    "per_tensor_qint32": lambda: torch.quantize_per_tensor(numbers(4, 6), 0.1, 0, torch.qint32),
    "per_tensor_slice": lambda: torch.quantize_per_tensor(numbers(4, 6), 0.1, 3, torch.quint8).t()[
        1::2
    ],
    "per_channel": lambda: channels("qint8", 0),
    "per_channel_last": lambda: channels("quint8", 1),
    "float_qparams": lambda: channels("quint8", 0, floats=True),
    "float_qparams_4_bits": lambda: channels("quint4x2", 0, floats=True),
    "float_qparams_2_bits": lambda: channels("quint2x4", 0, floats=True, width=8),
    "complex32": lambda: numbers(3).to(torch.complex32),
    "complex128_conjugate": lambda: numbers(2, 3).to(torch.complex128).mul(1 + 2j).conj().t(),
    **{
        name: partial(view, name)
        for name in ("bits8", "bits16", "bits1x8", "bits2x4", "bits4x2", "float4_e2m1fn_x2")
    },
    "meta": lambda: torch.empty(2, 3, device="meta").t(),
    "meta_parameter": lambda: nn.Parameter(torch.empty(2, device="meta", dtype=torch.bfloat16)),
}
# Files with them hold names that weights-only loading does not take, or only once some module was
# imported: what comes back is held against what was saved.
REFUSED: dict[str, Callable[[], Any]] = {
    "uninitialized_parameter": nn.parameter.UninitializedParameter,
    "uninitialized_frozen": lambda: nn.parameter.UninitializedParameter(requires_grad=False),
    "uninitialized_buffer": nn.parameter.UninitializedBuffer,
    "jagged": lambda: ragged(layout=torch.jagged),
    "jagged_transposed": lambda: ragged(layout=torch.jagged).transpose(1, 2),
    "jagged_with_holes": lambda: torch.nested.narrow(
        numbers(3, 5, 2), 1, torch.tensor([0, 1, 2]), torch.tensor([2, 3, 1]), layout=torch.jagged
    ),
}
_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}


def described(tensor: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a tensor of any make
    """Return everything about a tensor that its conversion must keep."""
    facts: tuple[Any, ...] = (
        type(tensor),
        str(tensor.dtype),
        str(tensor.layout),
        tensor.requires_grad,
    )
    if torch.nn.parameter.is_lazy(tensor):
        return facts
    bare = tensor.detach()
    if bare.is_nested:
        return (*facts, [live_described(one) for one in bare.unbind()])
    facts += (tuple(bare.shape),)
    if bare.is_meta:
        return (*facts, bare.stride())
    if bare.layout == torch.sparse_coo:
        parts = [bare._indices(), bare._values()]  # noqa: SLF001 - as they lie, not coalesced
        return (*facts, bare.is_coalesced(), [live_described(one) for one in parts])
    if bare.layout in _COMPRESSED:
        return (*facts, [live_described(getattr(bare, n)()) for n in _COMPRESSED[bare.layout]])
    if not bare.is_quantized:
        return (*facts, live_described(bare))
    packed = bare.dtype in (torch.quint4x2, torch.quint2x4)
    facts += (
        str(bare.qscheme()),
        bare.untyped_storage().tolist() if packed else live_described(bare.int_repr()),
    )
    if bare.qscheme() == torch.per_tensor_affine:
        return (*facts, bare.q_scale(), bare.q_zero_point())
    ways = (bare.q_per_channel_scales(), bare.q_per_channel_zero_points())
    return (*facts, bare.q_per_channel_axis(), [live_described(one) for one in ways])


def converted(tensor: Any, place: Path) -> tuple[Path, Path]:  # noqa: ANN401 - as above
    source, target = place / "a.pt", place / "a.safetensors"
    torch.save({"x": tensor, "after": torch.ones(1)}, source)
    report = converter.convert(source, target)
    assert report.verification is not None
    assert report.verification.identical
    return source, target


@pytest.mark.parametrize("name", MADE)
def test_what_comes_back_is_what_torch_loads(name: str, tmp_path: Path) -> None:
    source, target = converted(MADE[name](), tmp_path)
    expected = described(torch.load(source, weights_only=True)["x"])
    again = converter.open(target)
    assert again.opened.anomalies == []
    assert described(converter.open(source).to_python()["x"]) == expected
    assert described(again.to_python()["x"]) == expected
    converter.restore(target, tmp_path / "b.pt")
    assert described(torch.load(tmp_path / "b.pt", weights_only=True)["x"]) == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_comes_back_alive(name: str, tmp_path: Path) -> None:
    made = REFUSED[name]()
    source, target = converted(made, tmp_path)
    again = converter.open(target)
    assert again.opened.anomalies == []
    assert described(converter.open(source).to_python()["x"]) == described(made)
    assert described(again.to_python()["x"]) == described(made)
    with pytest.raises(PlanError, match="weights_only"):
        converter.restore(target, tmp_path / "b.pt")


class Scaled(torch.Tensor):
    """Integers and scales that act as a float tensor, as torchao's tensors do."""

    @staticmethod
    def __new__(cls: Any, data: Any, scale: Any) -> Any:  # noqa: ANN401 - tensors
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=scale.dtype)  # noqa: SLF001

    def __init__(self, data: Any, scale: Any) -> None:  # noqa: ANN401 - tensors
        self.data_of, self.scale, self.block_size = data, scale, [1, 4]

    @classmethod
    def __torch_dispatch__(cls, *_: Any) -> Any:  # noqa: ANN401 - of torch's making
        raise NotImplementedError


def test_tensors_inside_a_wrapper_have_their_own_names(tmp_path: Path) -> None:
    data, scale = torch.arange(12, dtype=torch.int8).reshape(3, 4), numbers(3)
    _, target = converted(Scaled(data, scale), tmp_path)
    written = safetensors.torch.load_file(target)
    assert live_described(written.pop("x.data_of")) == live_described(data)
    assert live_described(written.pop("x.scale")) == live_described(scale)
    assert list(written) == ["after"]
    (line,) = converter.inspect(target).composites
    assert (line.name, line.kind, line.dtype, line.shape) == ("x", "wrapper", "float32", [3, 4])
    inert = converter.open(target).to_python()["x"]
    assert inert.class_name == f"{__name__}.Scaled"


def test_empty_tensor_of_two_names_comes_back(tmp_path: Path) -> None:
    empty = torch.empty(0, 3)
    source, target = tmp_path / "a.pt", tmp_path / "a.safetensors"
    torch.save({"a": empty, "b": empty, "w": torch.ones(2)}, source)
    converter.convert(source, target)
    again = converter.open(target)
    assert again.opened.anomalies == []
    loaded = again.to_python()
    assert {name: described(one) for name, one in loaded.items()} == {
        "a": described(empty),
        "b": described(empty),
        "w": described(torch.ones(2)),
    }
    assert loaded["a"] is loaded["b"]

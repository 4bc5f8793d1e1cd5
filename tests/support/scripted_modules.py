"""Modules for torch.jit and torch.export, each with something that is saved in its own way."""

# ruff: noqa: UP006, UP035 - torch.jit reads the annotations, and knows these spellings

from typing import Dict, List

import torch
from torch import nn


class Shared(nn.Module):
    """One parameter in two modules, one module under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.tied = nn.Linear(2, 2)
        self.tied.weight = self.first.weight
        self.same = self.first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.same(self.tied(self.first(x)))


class Buffers(nn.Module):
    """Buffers of both kinds, before and after parameters, and names without a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.arange(3))
        self.register_parameter("no_parameter", None)
        self.w = nn.Parameter(torch.tensor([1.5, -0.0]))
        self.register_buffer("no_buffer", None)
        self.register_buffer("not_kept", torch.ones(2), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.w + self.not_kept + self.kept[:2]


class Layers(nn.Module):
    """Containers, whose members have numbers and odd texts for names."""

    def __init__(self) -> None:
        super().__init__()
        self.listed = nn.ModuleList([nn.Linear(2, 2), Buffers(), nn.BatchNorm1d(2)])
        self.by_name = nn.ModuleDict({"a b": nn.Linear(2, 2), "c-d": nn.Linear(2, 2)})
        self.direct = nn.ParameterList([nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2))])
        self.table = nn.Embedding(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.listed:
            x = layer(x)
        for layer in self.by_name.values():
            x = layer(x)
        return self.table(torch.tensor([0])) + x


class Attributes(nn.Module):
    """Typed attributes that are no tensors."""

    table: Dict[str, int]
    ints: List[int]
    floats: List[float]
    bools: List[bool]

    def __init__(self) -> None:
        super().__init__()
        self.table = {"a": 1}
        self.ints = [1, 2]
        self.floats = [1.5]
        self.bools = [True, False]
        self.text = "täxt"
        self.layer = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.text == "" or self.bools[0]:
            x = x + self.ints[0] + self.floats[0] + self.table["a"]
        return self.layer(x)


class TensorAttributes(nn.Module):
    """Tensors that are neither parameters nor buffers."""

    listed: List[torch.Tensor]
    by_name: Dict[str, torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))
        self.plain = torch.arange(2.0)
        self.listed = [torch.zeros(2), torch.full((1, 2), 3.0)]
        self.by_name = {"k": torch.tensor([[1, 2]])}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.w + self.plain + self.listed[0] + self.by_name["k"]


class AddsConstant(nn.Module):
    """Adds a tensor that only the traced code knows."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.w + torch.tensor([1.0, 2.0])


class Mixed(nn.Module):
    """Parameters, buffers of both kinds and a constant, registered in mixed order."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("first_buffer", torch.arange(2.0))
        self.layer = nn.Linear(3, 2)
        self.tied = nn.Linear(3, 2)
        self.tied.weight = self.layer.weight
        self.register_buffer("not_kept", torch.full((2,), 7.0), persistent=False)
        base = torch.arange(10.0)
        self.register_buffer("view", base[2:8:3])
        self.constant = torch.tensor([3.0, -0.0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x) + self.tied(x) + self.first_buffer
        return y + self.not_kept + self.view + self.constant


class ManyTypes(nn.Module):
    """Buffers of many types."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("uint8", "int8", "int16", "int32", "int64", "float64", "bool"):
            self.register_buffer(f"b_{name}", torch.tensor([1, 0]).to(getattr(torch, name)))
        self.register_buffer("scalar", torch.tensor(5))
        self.register_buffer("nothing", torch.zeros(0, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.b_int64 + self.scalar

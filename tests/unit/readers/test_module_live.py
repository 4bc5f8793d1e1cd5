"""Modules of every unusual make, saved by torch: recovered without their classes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from converter.readers.class_sources import class_sources
from converter.readers.module_printing import print_module
from tests.support.saved_modules import (
    CONTAINERS,
    Container,
    described,
    live_described,
    opened,
    recovered,
    saved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


class Net(nn.Module):
    """Ties, aliases, absent entries, buffers of both kinds and tensors in plain attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(3, 2)
        self.head = nn.Linear(2, 3, bias=False)
        self.head.weight = self.embed.weight
        self.alias = self.embed
        self.register_parameter("absent", None)
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("cache", torch.zeros(2), persistent=False)
        self.register_buffer("empty", None)
        self.hidden = [nn.Linear(1, 1)]
        self.table = {"mean": torch.ones(3)}


class Outer:
    """Holds a class inside."""

    class Inner(nn.Module):
        """A module whose class has no plain name."""

        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1, 1)


class WithSlots(nn.Module):
    """Pickles itself as (dict, slots)."""

    __slots__ = ("extra",)

    def __init__(self) -> None:
        super().__init__()
        self.add_module("fc", nn.Linear(1, 1))
        self.extra = torch.ones(4)

    def __getstate__(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.__dict__.copy(), {"extra": self.extra}


class WithExtraState(nn.Module):
    """Adds an entry that only its method knows."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(1, 1)

    def get_extra_state(self) -> dict[str, int]:
        """Return what the file does not hold under this name."""
        return {"x": 1}


class Tagged(torch.Tensor):
    """A subclass of Tensor."""


def rename(module: Any, state: Any, prefix: str, metadata: Any) -> None:  # noqa: ANN401 - torch's
    """Do nothing: what counts is that it could."""


def old_weight_norm() -> Any:  # noqa: ANN401 - a torch.nn.Module
    return nn.Sequential(
        nn.utils.weight_norm(nn.Linear(2, 3)), nn.utils.weight_norm(nn.Conv1d(1, 2, 3))
    )


def old_spectral_norm() -> Any:  # noqa: ANN401 - a torch.nn.Module
    return nn.utils.spectral_norm(nn.Conv2d(2, 3, 1))


def pruned() -> Any:  # noqa: ANN401 - a torch.nn.Module
    from torch.nn.utils import prune

    module = nn.Linear(4, 3)
    prune.l1_unstructured(module, "weight", 0.5)
    prune.random_unstructured(module, "bias", 0.5)
    return module


def averaged() -> Any:  # noqa: ANN401 - a torch.nn.Module
    return torch.optim.swa_utils.AveragedModel(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))


def materialised() -> Any:  # noqa: ANN401 - a torch.nn.Module
    module = nn.Sequential(nn.LazyLinear(2), nn.LazyBatchNorm1d())
    module(torch.ones(2, 3))
    return module


def checkpointed() -> Any:  # noqa: ANN401 - a torch.nn.Module
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    inner = nn.Sequential(nn.Linear(2, 2), checkpoint_wrapper(nn.Linear(2, 1)))
    return nn.Sequential(checkpoint_wrapper(inner), nn.Linear(1, 1))


def channels_last() -> Any:  # noqa: ANN401 - a torch.nn.Module
    return nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last).half()


def float8() -> Any:  # noqa: ANN401 - a torch.nn.Module
    module = nn.Linear(2, 2)
    module.register_buffer("small", torch.ones(3).to(torch.float8_e4m3fn))
    return module


def with_subclass() -> Any:  # noqa: ANN401 - a torch.nn.Module
    module = nn.Linear(2, 2)
    module.weight = nn.Parameter(torch.ones(2, 2).as_subclass(Tagged))
    return module


def dynamic_quantised() -> Any:  # noqa: ANN401 - a torch.nn.Module
    parts = {nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.RNNCell}
    module = nn.Sequential(
        nn.Linear(2, 2),
        nn.LSTM(2, 2, 2, bidirectional=True),
        nn.GRU(2, 2),
        nn.LSTMCell(2, 2),
        nn.RNNCell(2, 2),
    )
    return torch.ao.quantization.quantize_dynamic(module, parts, dtype=torch.qint8)


def dynamic_half() -> Any:  # noqa: ANN401 - a torch.nn.Module
    module = nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2))
    return torch.ao.quantization.quantize_dynamic(module, {nn.Linear, nn.LSTM}, dtype=torch.float16)


def quantised_embeddings() -> Any:  # noqa: ANN401 - a torch.nn.Module
    ao = torch.ao.quantization
    module = nn.Sequential(nn.EmbeddingBag(4, 3), nn.Embedding(4, 3))
    for part in module:
        part.qconfig = ao.float_qparams_weight_only_qconfig
    return ao.convert(ao.prepare(module))


def quantised_graph() -> Any:  # noqa: ANN401 - a torch.nn.Module
    return _lowered("convert_fx")


def reference_graph() -> Any:  # noqa: ANN401 - a torch.nn.Module
    return _lowered("convert_to_reference_fx")


def _lowered(name: str) -> Any:  # noqa: ANN401 - a torch.nn.Module
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)).eval()
    example = torch.ones(1, 1, 2, 2)
    prepared = quantize_fx.prepare_fx(module, get_default_qconfig_mapping("fbgemm"), (example,))
    prepared(example)
    return getattr(quantize_fx, name)(prepared)


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of one, for wrappers that ask for any."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    "make",
    [
        old_weight_norm,
        old_spectral_norm,
        pruned,
        averaged,
        materialised,
        checkpointed,
        channels_last,
        float8,
        with_subclass,
        dynamic_quantised,
        dynamic_half,
        quantised_embeddings,
        quantised_graph,
        reference_graph,
        lambda: nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d()),
        lambda: nn.DataParallel(nn.Sequential(nn.Linear(2, 2))),
        lambda: torch.compile(nn.Sequential(nn.Linear(2, 2))),
        lambda: nn.Sequential(torch.compile(nn.Linear(2, 2)), nn.ReLU()),
    ],
)
def test_torch_makes_of_modules_are_certain(make: Callable[[], Any], container: Container) -> None:
    module = make()
    component = recovered(module, container)
    assert list(described(component)) == list(live_described(module))
    assert described(component) == live_described(module)
    assert component.module is not None
    assert component.module.certainty == "certain"
    assert print_module(component.value) == repr(module)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("make", [Net, Outer.Inner, WithSlots])
def test_classes_of_others_are_probable(make: Callable[[], Any], container: Container) -> None:
    module = make()
    component = recovered(module, container)
    assert list(described(component)) == list(live_described(module))
    assert described(component) == live_described(module)
    assert component.class_name == f"{make.__module__}.{make.__qualname__}"
    assert component.module is not None
    assert component.module.certainty == "probable"
    assert print_module(component.value) == repr(module)


def test_what_state_dict_leaves_out_is_listed() -> None:
    checkpoint = opened(saved(Net(), "zip"))
    module = checkpoint.components[0].module
    assert module is not None
    assert {item.path: item.reason for item in module.left_out} == {
        "cache": "non-persistent buffer",
        "hidden.0.weight": "held by an attribute, not registered in the module",
        "hidden.0.bias": "held by an attribute, not registered in the module",
        "table.mean": "held by an attribute, not registered in the module",
    }
    notes = {note.code: note.text for note in checkpoint.notes}
    assert (
        "4 tensors are in the object but not in its state_dict()"
        in notes["module_tensors_left_out"]
    )
    assert "Net is not one of torch's classes" in notes["module_names_probable"]


def test_attributes_of_parameters_are_no_entries() -> None:
    module = nn.Linear(1, 1)
    module.weight.custom = torch.ones(3)
    component = recovered(module)
    assert list(component.tensors) == ["weight", "bias"]
    assert component.module is not None
    (left,) = component.module.left_out
    assert (left.path, left.reason) == (
        "weight.custom",
        "set on a parameter, which state_dict() does not keep",
    )


def test_sparse_buffer_is_a_composite_with_parts() -> None:
    module = nn.Linear(1, 1)
    module.register_buffer("eye", torch.eye(2).to_sparse())
    component = recovered(module)
    assert list(component.tensors) == ["weight", "bias", "eye.indices", "eye.values"]
    assert list(component.composites) == ["eye"]


def test_hook_and_replaced_method_are_reasons() -> None:
    module = nn.Linear(1, 1)
    module._register_state_dict_hook(rename)  # noqa: SLF001 - the only way there was until 2.5
    component = recovered(module)
    assert component.module is not None
    assert component.module.certainty == "probable"
    assert component.module.reasons == (f"the whole: a hook may change names: {__name__}.rename",)


def test_extra_state_is_unknowable_and_said_to_be() -> None:
    component = recovered(WithExtraState())
    assert list(component.tensors) == ["fc.weight", "fc.bias"]
    assert component.module is not None
    assert component.module.certainty == "probable"


def test_fx_graph_prints_under_its_general_name() -> None:
    # The name of the traced class is not in the file: loaded by torch, it prints GraphModule too.
    module = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    component = recovered(module)
    assert described(component) == live_described(module)
    printed = print_module(component.value)
    assert printed == repr(module).replace("Sequential(", "GraphModule(", 1)


def test_static_quantisation_with_layers_that_print_tensors() -> None:
    ao = torch.ao.quantization
    module = nn.Sequential(
        ao.QuantStub(),
        nn.Conv2d(1, 2, 3),
        nn.ReLU(),
        nn.ConvTranspose2d(2, 2, 1),
        nn.Flatten(),
        nn.Linear(8, 2),
        ao.DeQuantStub(),
    ).eval()
    module.qconfig = ao.QConfig(ao.default_observer, ao.default_weight_observer)
    ao.fuse_modules(module, [["1", "2"]], inplace=True)
    prepared = ao.prepare(module)
    prepared(torch.ones(1, 1, 4, 4))
    converted = ao.convert(prepared)
    component = recovered(converted)
    assert list(described(component)) == list(live_described(converted))
    assert described(component) == live_described(converted)
    # Quantize prints two tensors, and printing reads none.
    printed, live = print_module(component.value).split("\n"), repr(converted).split("\n")
    assert printed[1] == "  (0): Quantize()"
    assert live[1].startswith("  (0): Quantize(scale=tensor(")
    assert printed[2:] == live[2:]


@pytest.mark.usefixtures("one_process")
def test_distributed_data_parallel() -> None:
    module = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    component = recovered(module)
    assert described(component) == live_described(module)
    assert next(iter(component.tensors)) == "module.0.weight"
    assert print_module(component.value) == repr(module)


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_protocol(protocol: int, container: Container) -> None:
    module = nn.Sequential(OrderedDict(conv=nn.Conv1d(1, 2, 3), norm=nn.BatchNorm1d(2)))
    checkpoint = opened(saved(module, container, pickle_protocol=protocol))
    (component,) = checkpoint.components
    assert checkpoint.style == "module"
    assert described(component) == live_described(module)
    assert print_module(component.value) == repr(module)


def test_legacy_files_carry_the_source_of_classes() -> None:
    sources = class_sources(opened(saved(nn.Sequential(nn.Linear(1, 1)), "legacy")).opened)
    assert list(sources) == [
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.linear.Linear",
    ]
    linear = sources["torch.nn.modules.linear.Linear"]
    assert str(linear.file).endswith("linear.py")
    assert str(linear.text).startswith("class Linear(Module):")
    nested = class_sources(opened(saved(Outer.Inner(), "legacy")).opened)
    assert f"{__name__}.Outer.Inner" in nested


def test_zip_files_carry_no_source() -> None:
    assert class_sources(opened(saved(nn.Linear(1, 1), "zip")).opened) == {}

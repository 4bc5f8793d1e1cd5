"""Every class of torch.nn, saved whole: the recovered state_dict and text against the live ones."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import pytest

torch = pytest.importorskip("torch")

from converter.readers.module_printing import print_module  # noqa: E402 - after the skip
from tests.support.saved_modules import (  # noqa: E402 - after the skip
    CONTAINERS,
    Container,
    described,
    live_described,
    recovered,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # torch warns about its own choices of arguments
]

nn = torch.nn

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def called(*args: Any, **options: Any) -> Arguments:  # noqa: ANN401 - any class's arguments
    """Return arguments as a value."""
    return args, options


def ways(*arguments: Arguments) -> tuple[Arguments, ...]:
    """Return several ways to call a class."""
    return arguments


def each(pattern: str, *numbers: int) -> list[str]:
    """Return names with ``#`` replaced by 1, 2 and 3, or by other numbers."""
    return [pattern.replace("#", str(n)) for n in numbers or (1, 2, 3)]


# Class → the least it can be called with, where that is not nothing.
LEAST: Final[dict[str, Arguments]] = {
    **dict.fromkeys(each("AdaptiveAvgPool#d") + each("AdaptiveMaxPool#d"), called(2)),
    **dict.fromkeys(each("AvgPool#d") + each("MaxPool#d") + each("MaxUnpool#d"), called(2)),
    **dict.fromkeys(each("LPPool#d"), called(2, 3)),
    **dict.fromkeys(each("BatchNorm#d") + each("InstanceNorm#d"), called(3)),
    **dict.fromkeys(each("Conv#d") + each("ConvTranspose#d"), called(4, 2, 3)),
    **dict.fromkeys(each("LazyConv#d") + each("LazyConvTranspose#d"), called(2, 3)),
    **dict.fromkeys(
        (
            name
            for kind in ("Circular", "Reflection", "Replication", "Zero")
            for name in each(f"{kind}Pad#d")
        ),
        called(1),
    ),
    **dict.fromkeys(each("ConstantPad#d"), called(1, 0.5)),
    **dict.fromkeys(each("FractionalMaxPool#d", 2, 3), called(2, output_size=3)),
    **dict.fromkeys(
        ("PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "SyncBatchNorm"), called(2)
    ),
    **dict.fromkeys(("CrossMapLRN2d", "LocalResponseNorm", "LazyLinear", "Unfold"), called(2)),
    **dict.fromkeys(("GRUCell", "LSTMCell", "RNNCell", "Linear", "Embedding"), called(3, 2)),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), called(3, 2)),
    **dict.fromkeys(("LayerNorm", "RMSNorm"), called(4)),
    **dict.fromkeys(("MultiheadAttention", "TransformerDecoderLayer"), called(4, 2)),
    "AdaptiveLogSoftmaxWithLoss": called(8, 10, [2, 5]),
    "Bilinear": called(2, 3, 4),
    "DataParallel": called(nn.Linear(2, 2)),
    "EmbeddingBag": called(5, 3),
    "Fold": called((4, 5), 2),
    "GroupNorm": called(2, 4),
    "LinearCrossEntropyLoss": called(4, 3),
    "RNNBase": called("LSTM", 3, 2),
    "RNNCellBase": called(3, 2, bias=True, num_chunks=4),
    "Threshold": called(0.1, 20),
    "Transformer": called(4, 2, 1, 1, 8),
    "TransformerDecoder": called(nn.TransformerDecoderLayer(4, 2, 8), 2),
    "TransformerEncoder": called(nn.TransformerEncoderLayer(4, 2, 8), 2),
    "TransformerEncoderLayer": called(4, 2, 8),
    "Unflatten": called(1, (2, 3)),
}

# Class → other arguments that change what is registered or printed.
UNUSUAL: Final[dict[str, tuple[Arguments, ...]]] = {
    **dict.fromkeys(
        each("Conv#d"),
        ways(
            called(4, 4, 3, stride=2, padding=1, dilation=2, groups=2, bias=False),
            called(4, 2, 3, padding="same", padding_mode="reflect"),
            called(4, 2, 1, padding="valid", device="meta"),
            called(2, 2, 3, padding_mode="circular", dtype=torch.float64),
        ),
    ),
    **dict.fromkeys(
        each("ConvTranspose#d"),
        ways(called(4, 4, 3, stride=3, padding=1, output_padding=1, groups=2, bias=False)),
    ),
    **dict.fromkeys(
        each("LazyConv#d") + each("LazyConvTranspose#d"), ways(called(4, 3, bias=False, padding=1))
    ),
    **dict.fromkeys(
        each("BatchNorm#d") + each("InstanceNorm#d"),
        ways(
            called(3, affine=False),
            called(3, track_running_stats=False, affine=True),
            called(3, eps=1e-3, momentum=None, track_running_stats=True, affine=True),
        ),
    ),
    **dict.fromkeys(
        each("LazyBatchNorm#d") + each("LazyInstanceNorm#d"), ways(called(affine=False))
    ),
    **dict.fromkeys(
        each("AdaptiveAvgPool#d", 2) + each("AdaptiveMaxPool#d", 2), ways(called((2, None)))
    ),
    **dict.fromkeys(
        each("AvgPool#d", 2, 3), ways(called(3, stride=1, padding=1, divisor_override=2))
    ),
    **dict.fromkeys(
        each("MaxPool#d"), ways(called(3, 1, 1, 2, ceil_mode=True, return_indices=True))
    ),
    **dict.fromkeys(each("LPPool#d"), ways(called(1.5, 3, stride=2, ceil_mode=True))),
    **dict.fromkeys(
        ("RNN", "LSTM", "GRU"),
        ways(
            called(3, 2, num_layers=2, bias=False, batch_first=True),
            called(3, 2, 2, dropout=0.25, bidirectional=True),
        ),
    ),
    **dict.fromkeys(
        ("ReLU", "ReLU6", "SiLU", "Mish", "SELU", "CELU", "ELU", "Hardtanh", "LeakyReLU", "RReLU"),
        ways(called(inplace=True)),
    ),
    **dict.fromkeys(
        ("Hardsigmoid", "Hardswish", "Dropout", "AlphaDropout"), ways(called(inplace=True))
    ),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Softmin", "GLU"), ways(called(dim=-2))),
    **dict.fromkeys(
        ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"), ways(called(weight=torch.ones(3)))
    ),
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell"), ways(called(3, 2, bias=False))),
    "BCEWithLogitsLoss": ways(called(weight=torch.ones(3), pos_weight=torch.zeros(3))),
    "Bilinear": ways(called(2, 3, 4, bias=False)),
    "DataParallel": ways(called(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))),
    "Embedding": ways(
        called(5, 3, padding_idx=1, max_norm=2.0, norm_type=1.5, scale_grad_by_freq=True),
        called(5, 3, sparse=True, dtype=torch.bfloat16),
    ),
    "EmbeddingBag": ways(
        called(5, 3, max_norm=1, norm_type=1, scale_grad_by_freq=True, mode="sum", padding_idx=0)
    ),
    "Flatten": ways(called(0, -2)),
    "GELU": ways(called("tanh")),
    "GroupNorm": ways(called(2, 4, affine=False), called(2, 4, bias=False)),
    "Hardshrink": ways(called(0.25)),
    "LSTM": ways(
        called(3, 4, proj_size=2, bidirectional=True),
        called(3, 2, num_layers=2, bias=False, batch_first=True),
    ),
    "LayerNorm": ways(
        called((2, 3), eps=1e-3, elementwise_affine=False),
        called([2, 3], bias=False),
        called(torch.Size([2, 3])),
    ),
    "Linear": ways(called(3, 2, bias=False), called(0, 2), called(3, 2, dtype=torch.complex64)),
    "LinearCrossEntropyLoss": ways(called(4, 3, bias=True, reduction="sum", label_smoothing=0.1)),
    "ModuleDict": ways(called({"a b": nn.ReLU(), "conv": nn.Conv1d(1, 1, 1), "é": nn.Tanh()})),
    "ModuleList": ways(
        called([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)]),
        called([nn.Sequential(nn.ReLU(), nn.Tanh()) for _ in range(3)]),
        called([nn.ModuleList([nn.ReLU()] * 2)] * 12),
    ),
    "MultiheadAttention": ways(
        called(4, 2, kdim=3, vdim=5, add_bias_kv=True),
        called(4, 2, bias=False, add_zero_attn=True, batch_first=True),
    ),
    "PReLU": ways(called(4, 0.1)),
    "ParameterDict": ways(
        called({"b": torch.zeros(2), "a": nn.Parameter(torch.ones(2, 3).half())}),
        called({"text": "kept", "number": 3, "list": [1], "none": None}),
        called({"int": nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False)}),
    ),
    "ParameterList": ways(
        called([torch.zeros(2), nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.tensor(1.0))]),
        called([torch.zeros(1), "text", 3, (1, 2)]),
    ),
    "PixelShuffle": ways(called(3)),
    "RMSNorm": ways(called((2, 3), eps=1e-3, elementwise_affine=False)),
    "RNN": ways(called(3, 2, nonlinearity="relu"), called(3, 2, bias=False)),
    "RNNBase": ways(called("GRU", 3, 2, 2), called("RNN_TANH", 3, 2)),
    "RNNCell": ways(called(3, 2, nonlinearity="relu", bias=False)),
    "Sequential": ways(
        called(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.ReLU(inplace=True)))
    ),
    "Softplus": ways(called(2, 10)),
    "Softshrink": ways(called(0.25)),
    "SyncBatchNorm": ways(called(2, affine=False), called(2, track_running_stats=False)),
    "Threshold": ways(called(1, 2.5, inplace=True)),
    "Transformer": ways(called(4, 2, 1, 2, 8, batch_first=True, norm_first=True, bias=False)),
    "TransformerEncoderLayer": ways(called(4, 2, 8, activation=nn.GELU(), norm_first=True)),
    "TripletMarginWithDistanceLoss": ways(called(distance_function=nn.PairwiseDistance(p=1))),
    "Unflatten": ways(called(1, [2, 3])),
    "Upsample": ways(
        called(size=(3, 4), mode="bilinear", align_corners=True),
        called(scale_factor=2),
        called(scale_factor=(1.5, 2)),
    ),
    "UpsamplingBilinear2d": ways(called(scale_factor=2)),
    "UpsamplingNearest2d": ways(called(size=4)),
    "ZeroPad2d": ways(called((1, 2, 3, 4))),
}

# The classes that are left: their other arguments change what is printed, or only attributes.
UNUSUAL.update(
    {
        **dict.fromkeys(each("AdaptiveAvgPool#d", 3), ways(called((2, None, 3)))),
        **dict.fromkeys(each("AdaptiveMaxPool#d", 1), ways(called(2, return_indices=True))),
        **dict.fromkeys(each("AdaptiveMaxPool#d", 3), ways(called((2, None, 3)))),
        **dict.fromkeys(each("MaxUnpool#d"), ways(called(3, stride=2, padding=1))),
        **dict.fromkeys(each("FractionalMaxPool#d", 2, 3), ways(called(3, output_ratio=0.5))),
        **dict.fromkeys(each("Dropout#d"), ways(called(0.25, inplace=True))),
        **dict.fromkeys(
            (
                name
                for kind in ("Circular", "Reflection", "Replication", "Zero")
                for name in each(f"{kind}Pad#d", 1)
            ),
            ways(called((1, 2))),
        ),
        **dict.fromkeys(
            (
                name
                for kind in ("Circular", "Reflection", "Replication")
                for name in each(f"{kind}Pad#d", 2)
            ),
            ways(called((1, 2, 3, 4))),
        ),
        **dict.fromkeys(
            (
                name
                for kind in ("Circular", "Reflection", "Replication", "Zero")
                for name in each(f"{kind}Pad#d", 3)
            ),
            ways(called((1, 2, 3, 4, 5, 6))),
        ),
        "ConstantPad1d": ways(called((1, 2), -1.5)),
        "ConstantPad2d": ways(called((1, 2, 3, 4), 7)),
        "ConstantPad3d": ways(called((1, 2, 3, 4, 5, 6), float("inf"))),
        **dict.fromkeys(
            ("L1Loss", "MSELoss", "MultiLabelMarginLoss", "SoftMarginLoss"),
            ways(called(reduction="none")),
        ),
        **dict.fromkeys(
            ("CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss"),
            ways(called(margin=0.25, reduction="sum")),
        ),
        **dict.fromkeys(
            ("BCELoss", "NLLLoss2d", "MultiLabelSoftMarginLoss"),
            ways(called(weight=torch.ones(3), reduction="sum")),
        ),
        **dict.fromkeys(("CrossMapLRN2d", "LocalResponseNorm"), ways(called(3, 1e-3, 0.5, 2.0))),
        **dict.fromkeys(("Unfold",), ways(called((2, 3), dilation=2, padding=1, stride=(2, 1)))),
        "AdaptiveAvgPool1d": ways(called((4,))),
        "AdaptiveLogSoftmaxWithLoss": ways(called(8, 12, [3, 6, 9], div_value=2.0, head_bias=True)),
        "AvgPool1d": ways(called(3, stride=1, padding=1, ceil_mode=True, count_include_pad=False)),
        "CTCLoss": ways(called(blank=2, reduction="sum", zero_infinity=True)),
        "ChannelShuffle": ways(called(3)),
        "CosineSimilarity": ways(called(dim=2, eps=1e-3)),
        "FeatureAlphaDropout": ways(called(0.25, inplace=True)),
        "Fold": ways(called((4, 5), (2, 1), dilation=2, padding=(1, 0), stride=3)),
        "GaussianNLLLoss": ways(called(full=True, eps=1e-3, reduction="sum")),
        "HuberLoss": ways(called(delta=2.5)),
        "Identity": ways(called(54, unused=0.1)),
        "KLDivLoss": ways(called(log_target=True)),
        "LazyLinear": ways(called(3, bias=False)),
        "PairwiseDistance": ways(called(p=1.0, eps=1e-3, keepdim=True)),
        "PixelUnshuffle": ways(called(3)),
        "PoissonNLLLoss": ways(called(log_input=False, full=True)),
        "RNNCellBase": ways(called(3, 2, bias=False, num_chunks=3)),
        "SmoothL1Loss": ways(called(beta=0.5)),
        "TransformerDecoder": ways(
            called(nn.TransformerDecoderLayer(4, 2, 8, bias=False), 2, norm=nn.LayerNorm(4))
        ),
        "TransformerDecoderLayer": ways(called(4, 2, 8, activation="gelu", batch_first=True)),
        "TransformerEncoder": ways(
            called(nn.TransformerEncoderLayer(4, 2, 8), 1, nn.RMSNorm(4), mask_check=False)
        ),
        "TripletMarginLoss": ways(called(margin=2.0, p=1.0, swap=True, reduction="none")),
    }
)
# What takes no argument, or only some that torch itself ignores.
WITHOUT: Final = frozenset(
    {"Container", "LogSigmoid", "Module", "Sigmoid", "Softmax2d", "Softsign", "Tanh", "Tanhshrink"}
)

CLASSES: Final[list[str]] = sorted(
    name
    for name in dir(nn)
    if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
)


def instances() -> list[Any]:
    """List parameters of tests: one for each way in which a class is made."""
    return [
        pytest.param(name, arguments, id=f"{name}-{number}")
        for name in CLASSES
        for number, arguments in enumerate([LEAST.get(name, called()), *UNUSUAL.get(name, ())])
    ]


def made(name: str, arguments: Arguments) -> Any:  # noqa: ANN401 - a torch.nn.Module
    """Return a module of a class with numbers of its own in every tensor."""
    torch.manual_seed(len(name))
    args, options = arguments
    make: Callable[..., Any] = getattr(nn, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = make(*args, **options)
    for tensor in module.state_dict().values():
        if tensor.__class__ is torch.Tensor and tensor.is_floating_point() and not tensor.is_meta:
            tensor.normal_()
    return module.train(len(name) % 2 == 0)


def test_every_class_of_this_torch_is_known() -> None:
    unknown = (LEAST.keys() | UNUSUAL.keys()) - set(CLASSES)
    assert len(CLASSES) >= 140
    assert not unknown or torch.__version__ < "2.13"
    assert set(CLASSES) - UNUSUAL.keys() <= WITHOUT


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("name", "arguments"), instances())
def test_state_dict_and_text_are_the_live_ones(
    name: str, arguments: Arguments, container: Container
) -> None:
    module = made(name, arguments)
    component = recovered(module, container)
    found, expected = described(component), live_described(module)
    assert list(found) == list(expected)
    assert found == expected
    assert component.module is not None
    assert component.module.certainty == "certain"
    assert component.module.training == {
        path: inner.training for path, inner in module.named_modules(remove_duplicate=False)
    }
    assert list(component.module.classes.values()) == [
        f"{type(inner).__module__}.{type(inner).__qualname__}"
        for _, inner in module.named_modules(remove_duplicate=False)
    ]
    assert print_module(component.value) == repr(module)

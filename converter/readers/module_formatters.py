"""What each class of ``torch.nn`` writes between the brackets of its ``repr``: its ``extra_repr``.

Transcribed from torch 2.13 (torch/nn/modules). Attributes that older pickles lack take the default
of the constructor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.readers.modules import view_of
from converter.readers.parameter_formatters import parameter_dict, parameter_list
from converter.readers.printed_module import PrintedModule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Formatter = Callable[[PrintedModule], str]

_TEMPLATES: Final[dict[str, str]] = {
    **dict.fromkeys(
        (f"Adaptive{kind}Pool{n}d" for kind in ("Avg", "Max") for n in (1, 2, 3)),
        "output_size={output_size}",
    ),
    **dict.fromkeys(
        (
            "AlphaDropout",
            "Dropout",
            "Dropout1d",
            "Dropout2d",
            "Dropout3d",
            "FeatureAlphaDropout",
        ),
        "p={p}, inplace={inplace}",
    ),
    **dict.fromkeys(
        (f"{kind}Pool{n}d" for kind in ("Avg",) for n in (1, 2, 3)),
        "kernel_size={kernel_size}, stride={stride}, padding={padding}",
    ),
    **dict.fromkeys(
        (f"MaxUnpool{n}d" for n in (1, 2, 3)),
        "kernel_size={kernel_size}, stride={stride}, padding={padding}",
    ),
    **dict.fromkeys(
        (f"MaxPool{n}d" for n in (1, 2, 3)),
        "kernel_size={kernel_size}, stride={stride}, padding={padding}, dilation={dilation}, "
        "ceil_mode={ceil_mode}",
    ),
    **dict.fromkeys(
        (f"LPPool{n}d" for n in (1, 2, 3)),
        "norm_type={norm_type}, kernel_size={kernel_size}, stride={stride}, ceil_mode={ceil_mode}",
    ),
    **dict.fromkeys(
        (
            f"{kind}Pad{n}d"
            for kind in ("Circular", "Reflection", "Replication", "Zero")
            for n in (1, 2, 3)
        ),
        "{padding}",
    ),
    **dict.fromkeys((f"ConstantPad{n}d" for n in (1, 2, 3)), "padding={padding}, value={value}"),
    **dict.fromkeys(
        ("CrossMapLRN2d", "LocalResponseNorm"), "{size}, alpha={alpha}, beta={beta}, k={k}"
    ),
    **dict.fromkeys(("GLU", "LogSoftmax", "Softmax", "Softmin"), "dim={dim}"),
    **dict.fromkeys(("Hardshrink", "Softshrink"), "{lambd}"),
    "ChannelShuffle": "groups={groups}",
    "Flatten": "start_dim={start_dim}, end_dim={end_dim}",
    "Fold": "output_size={output_size}, kernel_size={kernel_size}, dilation={dilation}, "
    "padding={padding}, stride={stride}",
    "GELU": "approximate={approximate!r}",
    "PReLU": "num_parameters={num_parameters}",
    "PixelShuffle": "upscale_factor={upscale_factor}",
    "PixelUnshuffle": "downscale_factor={downscale_factor}",
    "RMSNorm": "{normalized_shape}, eps={eps}, elementwise_affine={elementwise_affine}",
    "Softplus": "beta={beta}, threshold={threshold}",
    "Unflatten": "dim={dim}, unflattened_size={unflattened_size}",
    "Unfold": "kernel_size={kernel_size}, dilation={dilation}, padding={padding}, stride={stride}",
}

# Followed by ", inplace=True" where it is.
_INPLACE_TEMPLATES: Final[dict[str, str]] = {
    "CELU": "alpha={alpha}",
    "ELU": "alpha={alpha}",
    "Hardtanh": "min_val={min_val}, max_val={max_val}",
    "LeakyReLU": "negative_slope={negative_slope}",
    "RReLU": "lower={lower}, upper={upper}",
    "Threshold": "threshold={threshold}, value={value}",
    "Mish": "",
    "ReLU": "",
    "ReLU6": "",
    "SELU": "",
    "SiLU": "",
}


def _template(text: str) -> Formatter:
    return lambda module: module.fill(text)


def _with_inplace(text: str) -> Formatter:
    def formatted(module: PrintedModule) -> str:
        parts = [module.fill(text)] if text else []
        return ", ".join([*parts, "inplace=True"] if module["inplace"] else parts)

    return formatted


def _joined(module: PrintedModule, start: str, further: Iterable[tuple[bool, str]]) -> str:
    texts = [start, *(text for wanted, text in further if wanted)]
    return module.fill(", ".join(texts))


def _linear(module: PrintedModule) -> str:
    start = module.fill("in_features={in_features}, out_features={out_features}")
    return f"{start}, bias={module.has('bias')}"


def _bilinear(module: PrintedModule) -> str:
    start = module.fill("in1_features={in1_features}, in2_features={in2_features}")
    return f"{start}, {module.fill('out_features={out_features}')}, bias={module.has('bias')}"


def _batch_norm(module: PrintedModule) -> str:
    start = module.fill("{num_features}, eps={eps}, momentum={momentum}, affine={affine}")
    rest = module.fill("track_running_stats={track_running_stats}")
    return f"{start}, bias={module.has('bias')}, {rest}"


def _group_norm(module: PrintedModule) -> str:
    start = module.fill("{num_groups}, {num_channels}, eps={eps}, affine={affine}")
    return f"{start}, bias={module.has('bias')}"


def _layer_norm(module: PrintedModule) -> str:
    start = module.fill("{normalized_shape}, eps={eps}, elementwise_affine={elementwise_affine}")
    return f"{start}, bias={module.has('bias')}"


def differs_from_all(value: object, filler: int) -> bool:
    """Return whether torch's ``value != (filler,) * len(value)`` holds."""
    if isinstance(value, (tuple, str, list)):
        return value != (filler,) * len(value)
    return value != filler


def _convolution(module: PrintedModule) -> str:
    return _joined(
        module,
        "{in_channels}, {out_channels}, kernel_size={kernel_size}, stride={stride}",
        (
            (differs_from_all(module["padding"], 0), "padding={padding}"),
            (differs_from_all(module["dilation"], 1), "dilation={dilation}"),
            (differs_from_all(module["output_padding"], 0), "output_padding={output_padding}"),
            (module["groups"] != 1, "groups={groups}"),
            (not module.has("bias"), "bias=False"),
            (module["padding_mode"] != "zeros", "padding_mode={padding_mode}"),
        ),
    )


def _embedding(module: PrintedModule) -> str:
    return _joined(
        module,
        "{num_embeddings}, {embedding_dim}",
        (
            (module["padding_idx"] is not None, "padding_idx={padding_idx}"),
            (module["max_norm"] is not None, "max_norm={max_norm}"),
            (module["norm_type"] != 2, "norm_type={norm_type}"),
            (module["scale_grad_by_freq"] is not False, "scale_grad_by_freq={scale_grad_by_freq}"),
            (module["sparse"] is not False, "sparse=True"),
        ),
    )


def _embedding_bag(module: PrintedModule) -> str:
    return _joined(
        module,
        "{num_embeddings}, {embedding_dim}",
        (
            (module["max_norm"] is not None, "max_norm={max_norm}"),
            (module["norm_type"] != 2, "norm_type={norm_type}"),
            (module["scale_grad_by_freq"] is not False, "scale_grad_by_freq={scale_grad_by_freq}"),
            (True, "mode={mode!r}"),
            (module["padding_idx"] is not None, "padding_idx={padding_idx}"),
        ),
    )


def recurrent(module: PrintedModule) -> str:
    """Format RNN, LSTM and GRU."""
    return _joined(
        module,
        "{input_size}, {hidden_size}",
        (
            (module["proj_size"] != 0, "proj_size={proj_size}"),
            (module["num_layers"] != 1, "num_layers={num_layers}"),
            (module["bias"] is not True, "bias={bias}"),
            (module["batch_first"] is not False, "batch_first={batch_first}"),
            (module["dropout"] != 0, "dropout={dropout}"),
            (module["bidirectional"] is not False, "bidirectional={bidirectional}"),
        ),
    )


def recurrent_cell(module: PrintedModule) -> str:
    """Format the cells of RNN, LSTM and GRU."""
    attributes = module.view.attributes
    nonlinear = "nonlinearity" in attributes and module["nonlinearity"] != "tanh"
    return _joined(
        module,
        "{input_size}, {hidden_size}",
        (
            ("bias" in attributes and module["bias"] is not True, "bias={bias}"),
            (nonlinear, "nonlinearity={nonlinearity}"),
        ),
    )


def _upsample(module: PrintedModule) -> str:
    name = "size" if module["scale_factor"] is None else "scale_factor"
    return f"{name}={module[name]!r}, mode={module['mode']!r}"


def _linear_cross_entropy(module: PrintedModule) -> str:
    linear = view_of(module.view.member("linear"))
    inner = PrintedModule(linear) if linear is not None else module
    return ", ".join(
        (
            inner.fill("in_features={in_features}"),
            module.fill("num_classes={num_classes}, out_features={out_features}"),
            f"bias={inner.has('bias')}",
            module.fill("reduction={reduction}, ignore_index={ignore_index}"),
            module.fill("label_smoothing={label_smoothing}, options={options}"),
        )
    )


def _names(*patterns: str) -> list[str]:
    """Return class names from patterns, ``#`` standing for 1, 2 and 3."""
    return [
        pattern.replace("#", str(n))
        for pattern in patterns
        for n in ((1, 2, 3) if "#" in pattern else (0,))
    ]


_NORMS: Final = _names("BatchNorm#d", "InstanceNorm#d", "LazyBatchNorm#d", "LazyInstanceNorm#d")
_CONVOLUTIONS: Final = _names("Conv#d", "ConvTranspose#d", "LazyConv#d", "LazyConvTranspose#d")
_LINEARS: Final = ("Linear", "LazyLinear", "NonDynamicallyQuantizableLinear", "_LinearWithBias")

FORMATTERS: Final[dict[str, Formatter]] = {
    **{name: _template(text) for name, text in _TEMPLATES.items()},
    **{name: _with_inplace(text) for name, text in _INPLACE_TEMPLATES.items()},
    **dict.fromkeys(_NORMS, _batch_norm),
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(_LINEARS, _linear),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "RNNBase"), recurrent),
    **dict.fromkeys(("GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"), recurrent_cell),
    **dict.fromkeys(("Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"), _upsample),
    "Bilinear": _bilinear,
    "Embedding": _embedding,
    "EmbeddingBag": _embedding_bag,
    "GroupNorm": _group_norm,
    "LayerNorm": _layer_norm,
    "LinearCrossEntropyLoss": _linear_cross_entropy,
    "ParameterDict": parameter_dict,
    "ParameterList": parameter_list,
    "SyncBatchNorm": _batch_norm,
}
"""Own name of a class of ``torch.nn`` → its ``extra_repr``; the others write nothing."""

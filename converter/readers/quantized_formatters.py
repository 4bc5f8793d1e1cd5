"""How torch's quantised modules print: names of their own, packed weights hidden.

Transcribed from torch 2.13 (torch/ao/nn/quantized).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import CompositeTensor, SequenceValue, Value
from converter.readers.module_additions import additions_of, is_reference
from converter.readers.module_formatters import differs_from_all, recurrent, recurrent_cell
from converter.readers.modules import ModuleView, view_of
from converter.readers.printed_module import PrintedModule
from converter.readers.python_texts import python_value

if TYPE_CHECKING:
    from collections.abc import Callable

# Classes that print under their own name.
_PLAIN_NAMES: Final = frozenset(
    {
        "Quantize",
        "DeQuantize",
        "FloatFunctional",
        "FXFloatFunctional",
        "QFunctional",
        "Sigmoid",
        "PackedParameter",
        "LinearPackedParams",
        "EmbeddingPackedParams",
    }
)
_PACKED: Final = ("LinearPackedParams", "EmbeddingPackedParams", "PackedParameter")


def quantized_name(view: ModuleView) -> str:
    """Return the name a quantised module prints under."""
    name = view.short_name
    if name in _PLAIN_NAMES:
        return name
    if is_reference(view):
        return f"Quantized{name}(Reference)"
    if ".dynamic." in view.class_name:
        return f"DynamicQuantized{name}"
    return f"Quantized{name}"


def is_hidden_child(view: ModuleView, child: Value) -> bool:
    """Return whether a quantised module leaves a child out of its text."""
    inner = view_of(child) if ".quantized." in view.class_name else None
    if inner is None:
        return False
    if inner.short_name in _PACKED and ".quantized." in inner.class_name:
        return True
    return _is_dynamic_rnn(view) and inner.short_name == "ModuleList"


def _is_dynamic_rnn(view: ModuleView) -> bool:
    return "_all_weight_values" in dict(view.modules)


def _scheme(weight: Value) -> object:
    if not isinstance(weight, CompositeTensor):
        return "?"
    zero_points = dict(weight.parts).get("zero_points")
    if isinstance(zero_points, TensorRef) and zero_points.dtype.name.startswith("float"):
        # torch writes this scheme under the name of the other one.
        return "torch.per_channel_affine_float_qparams"
    return python_value(dict(weight.facts).get("qscheme"))


def _packed_child(module: PrintedModule) -> tuple[Value, object]:
    """Return (weight, dtype) of the packed parameters inside."""
    inner = view_of(module.view.member("_packed_params"))
    entries = dict(additions_of(inner)) if inner is not None else {}
    weight = entries.get("_packed_params", entries.get("_packed_weight"))
    if isinstance(weight, SequenceValue):
        weight = weight.items[0] if weight.items else None
    return weight, python_value(entries.get("dtype"))


def _linear(module: PrintedModule) -> str:
    weight, dtype = _packed_child(module)
    start = module.fill("in_features={in_features}, out_features={out_features}")
    if ".dynamic." in module.view.class_name:
        text = f"{start}, dtype={dtype}"
        return f"{text}, qscheme={_scheme(weight)}" if str(dtype) == "torch.qint8" else text
    scale = module.fill("scale={scale}, zero_point={zero_point}")
    return f"{start}, {scale}, qscheme={_scheme(weight)}"


def _embedding(module: PrintedModule) -> str:
    weight, dtype = _packed_child(module)
    start = module.fill("num_embeddings={num_embeddings}, embedding_dim={embedding_dim}")
    return f"{start}, dtype={dtype}, qscheme={_scheme(weight)}"


def _convolution(module: PrintedModule) -> str:
    parts = [
        "{in_channels}, {out_channels}, kernel_size={kernel_size}, stride={stride}",
        "scale={scale}, zero_point={zero_point}",
    ]
    for name, filler in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
        if differs_from_all(module[name], filler):
            parts.append(f"{name}={{{name}}}")
    if module["groups"] != 1:
        parts.append("groups={groups}")
    if not module.has("bias"):
        parts.append("bias=False")
    return module.fill(", ".join(parts))


_LINEARS: Final = ("Linear", "LinearReLU", "LinearLeakyReLU", "LinearTanh")
_CONVOLUTIONS: Final = tuple(
    name.format(n)
    for name in ("Conv{}d", "ConvTranspose{}d", "ConvReLU{}d", "ConvAdd{}d", "ConvAddReLU{}d")
    for n in (1, 2, 3)
)

QUANTIZED_FORMATTERS: Final[dict[str, Callable[[PrintedModule], str]]] = {
    **dict.fromkeys(_LINEARS, _linear),
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(("LSTM", "GRU", "RNNBase"), recurrent),
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell", "RNNCellBase"), recurrent_cell),
    **dict.fromkeys(("Embedding", "EmbeddingBag"), _embedding),
    "QFunctional": lambda module: module.fill("scale={scale}, zero_point={zero_point}"),
}
"""Own name of a quantised class → its ``extra_repr``; others print like the class they extend."""

"""torch's small values: dtypes, devices, layouts, sizes, quantisation schemes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import PlainValue, Value
from converter.dtypes import ALIASES, BY_NAME, DType
from converter.inert.nodes import ByteString, CallNode, Node
from converter.readers.rebuild.plain_values import arguments, require_untouched, sequence
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder

if TYPE_CHECKING:
    from collections.abc import Callable

QSCHEMES: Final = (
    "per_tensor_affine",
    "per_channel_affine",
    "per_tensor_symmetric",
    "per_channel_symmetric",
    "per_channel_affine_float_qparams",
)
LAYOUTS: Final = (
    "strided",
    "sparse_coo",
    "sparse_csr",
    "sparse_csc",
    "sparse_bsr",
    "sparse_bsc",
    "_mkldnn",
    "jagged",
)
# Sub-byte integer dtypes exist as names (2.13); no tensor of theirs can be saved.
_NAME_ONLY: Final = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8))


def dtype_of(node: Node, rebuilder: Rebuilder) -> DType:
    """Return the dtype a bare global names.

    Raises:
        NotThisShapeError: the node is no name of a dtype with a known size.
    """
    name = rebuilder.name_of(node)
    if name is None or name[0] != "torch":
        raise NotThisShapeError
    dtype = BY_NAME.get(ALIASES.get(name[1], name[1]))
    if dtype is None:
        raise NotThisShapeError
    return dtype


def layout_of(node: Node, rebuilder: Rebuilder) -> str:
    """Return the name of a layout, without ``torch.``.

    Raises:
        NotThisShapeError: the node is no layout.
    """
    value = rebuilder.convert(node)
    if isinstance(value, PlainValue) and value.kind == "torch.layout":
        return str(value.fields[0])
    raise NotThisShapeError


def _size(call: CallNode, rebuilder: Rebuilder) -> Value:
    require_untouched(call)
    args = arguments(call, rebuilder, 0, 1)
    return sequence("torch.Size", rebuilder.items_of(args[0]) if args else [], call, rebuilder)


def _device(call: CallNode, rebuilder: Rebuilder) -> Value:
    require_untouched(call)
    args = arguments(call, rebuilder, 1, 2)
    if not isinstance(args[0], (str, ByteString)) or not all(type(i) is int for i in args[1:]):
        raise NotThisShapeError
    return PlainValue("torch.device", tuple(rebuilder.convert(item) for item in args))


def _layout(call: CallNode, rebuilder: Rebuilder) -> Value:
    require_untouched(call)
    (name,) = arguments(call, rebuilder, 1, 1)
    if not isinstance(name, str) or name.removeprefix("torch.") not in LAYOUTS:
        raise NotThisShapeError
    return PlainValue("torch.layout", (name.removeprefix("torch."),))


BUILDERS: Final[dict[tuple[str, str], Callable[[CallNode, Rebuilder], Value]]] = {
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
    ("torch.serialization", "_get_layout"): _layout,
}
"""Canonical (module, name) → what calling it would have built."""

NAMES: Final[dict[tuple[str, str], Value]] = {
    **{("torch", name): PlainValue("torch.dtype", (name,)) for name in (*BY_NAME, *_NAME_ONLY)},
    **{("torch", old): PlainValue("torch.dtype", (new,)) for old, new in ALIASES.items()},
    **{("torch", name): PlainValue("torch.qscheme", (name,)) for name in QSCHEMES},
}
"""Canonical (module, name) → value of a bare name."""

"""The JSON of torch.export archives, as far as tensors go; everything else is skipped unread.

Source: torch/_export/serde/schema.py of torch 2.13 (schema 8.20) and the archives it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from converter.dtypes import BY_NAME
from converter.readers.record_values import json_of_record

if TYPE_CHECKING:
    from converter.containers.records import Record
    from converter.limits import Limits

SCALAR_TYPES: Final = {
    1: BY_NAME["uint8"],
    2: BY_NAME["int8"],
    3: BY_NAME["int16"],
    4: BY_NAME["int32"],
    5: BY_NAME["int64"],
    6: BY_NAME["float16"],
    7: BY_NAME["float32"],
    8: BY_NAME["float64"],
    9: BY_NAME["complex32"],
    10: BY_NAME["complex64"],
    11: BY_NAME["complex128"],
    12: BY_NAME["bool"],
    13: BY_NAME["bfloat16"],
    28: BY_NAME["uint16"],
    29: BY_NAME["float8_e4m3fn"],
    30: BY_NAME["float8_e5m2"],
    31: BY_NAME["float8_e4m3fnuz"],
    32: BY_NAME["float8_e5m2fnuz"],
    33: BY_NAME["float8_e8m0fnu"],
    34: BY_NAME["uint32"],
    35: BY_NAME["uint64"],
}
"""``ScalarType`` → dtype."""

STRIDED: Final = 7
"""``Layout.Strided``."""


class SymInt(Struct):
    """``schema.SymInt``: a number; symbolic sizes, which a stored tensor cannot have, lack it."""

    as_int: int


class Device(Struct):
    """``schema.Device``: where the tensor lived."""

    type: str = "cpu"
    index: int | None = None


class TensorMeta(Struct):
    """``schema.TensorMeta``: type, sizes, strides and offset, in elements."""

    dtype: int
    sizes: list[SymInt]
    strides: list[SymInt]
    storage_offset: SymInt
    requires_grad: bool = False
    layout: int = STRIDED
    device: Device | None = None


class PayloadMeta(Struct):
    """``schema.PayloadMeta``: one weight or constant, and the record of its bytes."""

    path_name: str
    use_pickle: bool = False
    is_param: bool = False
    tensor_meta: TensorMeta | None = None


class PayloadConfig(Struct):
    """``schema.PayloadConfig``: name → payload."""

    config: dict[str, PayloadMeta]


class _Parameter(Struct):
    parameter_name: str


class _Buffer(Struct):
    buffer_name: str


class _Constant(Struct):
    tensor_constant_name: str


class _InputSpec(Struct):
    """``schema.InputSpec``: a union with one member set; inputs of other kinds have none here."""

    parameter: _Parameter | None = None
    buffer: _Buffer | None = None
    tensor_constant: _Constant | None = None


class _Signature(Struct):
    input_specs: list[_InputSpec]


class _GraphModule(Struct):
    signature: _Signature


class _Program(Struct):
    graph_module: _GraphModule


def signature_order(record: Record, limits: Limits) -> dict[str, int]:
    """Return name → place among the inputs of ``models/M.json``: parameters, buffers, constants.

    Raises:
        ContainerError: the record is no such JSON.
        LimitError: it is longer than `Limits.max_small_record_bytes`.
    """
    specs = json_of_record(record, _Program, limits).graph_module.signature.input_specs
    names = [spec.parameter.parameter_name for spec in specs if spec.parameter]
    names += [spec.buffer.buffer_name for spec in specs if spec.buffer]
    names += [spec.tensor_constant.tensor_constant_name for spec in specs if spec.tensor_constant]
    order: dict[str, int] = {}
    for name in names:
        order.setdefault(name, len(order))
    return order

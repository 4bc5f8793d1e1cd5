"""The modules of torch 1.0 and 1.1: ``model.json`` beside raw tensors, no pickle.

The JSON is protobuf's, of caffe2/proto/torch.proto: 64-bit integers are texts, empty lists are
left out::

    {"protoVersion": "1", "mainModule": {"name": …, "parameters": [{"name": "weight",
     "tensorId": "0", "isBuffer": false}], "submodules": [… the same …]},
     "tensors": [{"dims": ["2", "3"], "strides": ["3", "1"], "offset": "0", "dataType": "FLOAT",
                  "requiresGrad": true, "data": {"key": "tensors/1"}}]}

Offsets and strides count elements. torch 1.2 and 1.3 add ``attributes.pkl``, which is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from converter.checkpoint.tensor import TensorRef, check_bounds
from converter.dtypes import BY_NAME
from converter.errors import FormatError, TensorError, UnsupportedError
from converter.readers.record_storages import storage_of_record
from converter.readers.record_values import json_of_record, keep_error
from converter.readers.torchscript_modules import ScriptedParts

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened
    from converter.checkpoint.storage import Storage
    from converter.containers.records import Archive, Record
    from converter.limits import Limits

# caffe2/proto/caffe2.proto, TensorProto.DataType, as torch 1.0's exporter maps its own types.
_DTYPES: Final = {
    "FLOAT": BY_NAME["float32"],
    "DOUBLE": BY_NAME["float64"],
    "FLOAT16": BY_NAME["float16"],
    "INT64": BY_NAME["int64"],
    "INT32": BY_NAME["int32"],
    "INT16": BY_NAME["int16"],
    "INT8": BY_NAME["int8"],
    "UINT8": BY_NAME["uint8"],
    "BOOL": BY_NAME["bool"],
}


class RecordRef(Struct):
    """``caffe2.RecordRef``: the name of a record below the archive's root."""

    key: str


class TensorDef(Struct, rename="camel"):
    """``torch.TensorDef``: one tensor."""

    data: RecordRef
    data_type: str
    dims: list[int] = []
    strides: list[int] = []
    offset: int = 0
    requires_grad: bool = False
    is_quantized: bool = False
    device: str = "cpu"


class ParameterDef(Struct, rename="camel"):
    """``torch.ParameterDef``: one parameter or buffer of a module."""

    name: str
    tensor_id: int
    is_buffer: bool = False


class ModuleDef(Struct):
    """``torch.ModuleDef``: one module, with the modules inside it."""

    name: str = ""
    parameters: list[ParameterDef] = []
    submodules: list[ModuleDef] = []


class ModelDef(Struct, rename="camel"):
    """``torch.ModelDef``: the whole record."""

    main_module: ModuleDef
    tensors: list[TensorDef] = []


def read_model_json(
    opened: Opened, archive: Archive, record: Record, limits: Limits
) -> tuple[ScriptedParts, set[str]]:
    """Return the modules of ``R/model.json``, and the names of the records that hold their tensors.

    What cannot be read is kept in `opened.error`.
    """
    parts = ScriptedParts()
    tensors = _Tensors(archive, record.name.rpartition("/")[0], limits)
    try:
        model = json_of_record(record, ModelDef, limits)
        tensors.definitions = model.tensors
        _collect(opened, parts, model.main_module, tensors, limits)
    except FormatError as error:
        error.record = error.record or record.name
        keep_error(opened, error)
    opened.storages = list(tensors.storages.values())
    return parts, tensors.used


class _Tensors:
    """The table of tensors, made when they are named; those of one record share its storage."""

    def __init__(self, archive: Archive, root: str, limits: Limits) -> None:
        self.definitions: list[TensorDef] = []
        self.storages: dict[tuple[str, str], Storage] = {}
        self.used: set[str] = set()
        self._archive: Final = archive
        self._root: Final = root
        self._limits: Final = limits
        self._made: dict[int, TensorRef] = {}

    def tensor(self, index: int) -> TensorRef:
        """Return the tensor at a place of the table.

        Raises:
            TensorError: there is none, or it lies outside its record.
            UnsupportedError: its type is unknown.
        """
        if not 0 <= index < len(self.definitions):
            raise TensorError(
                "tensor of no place in the table",
                expected=f"a number below {len(self.definitions)}",
                found=str(index),
            )
        if index not in self._made:
            self._made[index] = self._make(self.definitions[index])
        return self._made[index]

    def _make(self, definition: TensorDef) -> TensorRef:
        dtype = _DTYPES.get(definition.data_type)
        if dtype is None or definition.is_quantized:
            kind = "quantized " if definition.is_quantized else ""
            raise UnsupportedError(
                "tensor of a type this version does not read",
                expected=", ".join(_DTYPES),
                found=kind + definition.data_type[:40],
            )
        storage = self._storage(definition, dtype.name)
        where = f"{self._root}/{definition.data.key}"
        tensor = TensorRef(
            storage,
            dtype,
            tuple(definition.dims),
            tuple(definition.strides),
            definition.offset,
            requires_grad=definition.requires_grad,
        )
        check_bounds(tensor, self._limits, where)
        return tensor

    def _storage(self, definition: TensorDef, dtype_name: str) -> Storage:
        identity = (definition.data.key, dtype_name)
        if identity not in self.storages:
            record = self._archive.find_folded(f"{self._root}/{definition.data.key}")
            if record is None:
                raise TensorError(
                    "storage without a record",
                    expected=f"a record {self._root}/{definition.data.key}",
                    found="none",
                )
            self.used.add(record.name)
            self.storages[identity] = storage_of_record(
                record,
                definition.data.key,
                record.nbytes,
                BY_NAME[dtype_name],
                big_endian=False,
                location=definition.device,
            )
        return self.storages[identity]


def _collect(
    opened: Opened, parts: ScriptedParts, main: ModuleDef, tensors: _Tensors, limits: Limits
) -> None:
    """Fill the state in the order of a state_dict; a tensor that cannot be read is left out."""
    stack = [("", main, 0)]
    while stack:
        prefix, module, depth = stack.pop()
        parts.check_name(prefix, depth, limits)
        parts.classes.append((prefix.removesuffix("."), "torch.jit.ScriptModule"))
        for parameter in sorted(module.parameters, key=lambda item: item.is_buffer):
            try:
                tensor = tensors.tensor(parameter.tensor_id)
            except FormatError as error:
                keep_error(opened, error)
                continue
            parts.check_name(prefix + parameter.name, depth, limits)
            parts.state.append((prefix + parameter.name, tensor))
        stack.extend(
            (f"{prefix}{inner.name}.", inner, depth + 1) for inner in reversed(module.submodules)
        )

"""The tensors of a torch.export archive: what its configuration says, over the record's bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.tensor import PARAMETER_CLASS, TENSOR_CLASS, TensorRef, check_bounds
from converter.checkpoint.values import Value
from converter.errors import TensorError, UnsupportedError
from converter.readers.export_schema import SCALAR_TYPES, STRIDED, PayloadMeta, TensorMeta
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder
from converter.readers.record_storages import storage_of_record
from converter.readers.record_values import nested_file_of_record, pickle_of_record

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened
    from converter.checkpoint.storage import Storage
    from converter.containers.records import Archive, Record
    from converter.inert.nodes import PersistentNode
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

# Objects that are no tensors: of Python classes a bare pickle, of C++ ones a file of its own.
_BARE_PICKLE: Final = "opaque_obj_"
_NESTED_FILE: Final = "custom_obj_"


class Payloads:
    """Gives payloads their values; tensors of one record and type share one storage.

    Attributes:
        used: names of the records that a payload names.
    """

    def __init__(
        self,
        opened: Opened,
        archive: Archive,
        limits: Limits,
        blobs: BlobOpener,
        *,
        big_endian: bool,
    ) -> None:
        """Look records up in `archive`."""
        self.used: set[str] = set()
        self._opened: Final = opened
        self._archive: Final = archive
        self._limits: Final = limits
        self._blobs: Final = blobs
        self._big_endian: Final = big_endian
        self._storages: dict[tuple[str, str], Storage] = {}
        self._nested: dict[str, Value] = {}

    @property
    def storages(self) -> list[Storage]:
        """Return the storages made so far, in order of first use."""
        return list(self._storages.values())

    def value(self, payload: PayloadMeta, folder: str) -> Value:
        """Return the tensor of a payload, whose record stands in `folder`.

        Raises:
            TensorError: there is no such record, or the tensor lies outside it.
            UnsupportedError: its type or layout is unknown.
        """
        record = self._archive.find_folded(folder + payload.path_name)
        if record is None:
            raise TensorError(
                "payload without a record",
                expected=f"a record {folder}{payload.path_name[:200]}",
                found="none",
            )
        self.used.add(record.name)
        if payload.use_pickle or payload.path_name.startswith((_BARE_PICKLE, _NESTED_FILE)):
            if record.name not in self._nested:
                self._nested[record.name] = self._pickled(record, payload.path_name)
            return self._nested[record.name]
        if payload.tensor_meta is None:
            raise TensorError(
                "payload without a description", record=record.name, expected="tensor_meta"
            )
        return self._tensor(record, payload.tensor_meta, is_parameter=payload.is_param)

    def _pickled(self, record: Record, path_name: str) -> Value:
        opened, limits, blobs = self._opened, self._limits, self._blobs
        if path_name.startswith(_BARE_PICKLE):
            return pickle_of_record(opened, record, _no_persistent_ids, limits, blobs)
        return nested_file_of_record(opened, record, limits, blobs)

    def _tensor(self, record: Record, meta: TensorMeta, *, is_parameter: bool) -> TensorRef:
        dtype = SCALAR_TYPES.get(meta.dtype)
        if dtype is None or meta.layout != STRIDED:
            raise UnsupportedError(
                "tensor of a type or layout this version does not read",
                record=record.name,
                expected=f"a known type, layout {STRIDED}",
                found=f"type {meta.dtype}, layout {meta.layout}",
            )
        identity = (record.name, dtype.name)
        if identity not in self._storages:
            location = meta.device.type if meta.device else "cpu"
            key = record.name.rpartition("/")[2]
            self._storages[identity] = storage_of_record(
                record, key, record.nbytes, dtype, self._big_endian, location
            )
        tensor = TensorRef(
            self._storages[identity],
            dtype,
            tuple(size.as_int for size in meta.sizes),
            tuple(step.as_int for step in meta.strides),
            meta.storage_offset.as_int,
            requires_grad=meta.requires_grad,
            class_name=PARAMETER_CLASS if is_parameter else TENSOR_CLASS,
        )
        check_bounds(tensor, self._limits, record.name)
        return tensor


def _no_persistent_ids(_: PersistentNode, __: Rebuilder) -> Value:
    raise NotThisShapeError

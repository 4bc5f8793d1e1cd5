"""Reads what torch.export.save writes: raw weights, and JSON that says what they are.

Since torch 2.8, for every exported model M (usually ``model``)::

    R/data/weights/M_weights_config.json       name → payload: record, type, sizes, strides, offset
    R/data/weights/weight_0 …                  bytes of one storage each
    R/data/constants/M_constants_config.json   the same for constants and non-persistent buffers
    R/data/constants/tensor_0 …
    R/data/sample_inputs/M.pt                  a file of torch.save
    R/models/M.json                            the graph; its signature knows the order

Before 2.8 the archive has no root folder: ``serialized_state_dict.pt``, ``serialized_constants.pt``
and ``serialized_example_inputs.pt`` are files of torch.save (``.json`` by name in the earliest),
and ``serialized_exported_program.json`` is the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.values import MappingValue, Value
from converter.errors import ContainerError, FormatError, LimitError
from converter.readers.export_payloads import Payloads
from converter.readers.export_schema import PayloadConfig, signature_order
from converter.readers.record_storages import is_big_endian, note_unreferenced
from converter.readers.record_values import (
    json_of_record,
    keep_error,
    listed,
    nested_file_of_record,
    small_values,
)

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.containers.records import Archive, Record
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

_WEIGHTS: Final = "data/weights/"
_CONSTANTS: Final = "data/constants/"
_WEIGHTS_CONFIG: Final = "_weights_config.json"
_CONSTANTS_CONFIG: Final = "_constants_config.json"
_BOOKKEEPING: Final = frozenset(
    {
        "archive_format",
        "archive_version",
        "version",
        "byteorder",
        ".data/version",
        ".data/serialization_id",
    }
)
_EARLY: Final = (
    ("model", "serialized_state_dict"),
    ("constants", "serialized_constants"),
    ("sample_inputs", "serialized_example_inputs"),
)
_EARLY_PROGRAM: Final = "serialized_exported_program.json"
# What the zip parser must say of an archive without a root folder, and what is no oddity here.
_ROOTLESS: Final = frozenset({"zip_no_root", "zip_outside_root", "zip_several_roots"})

_Entries = list[tuple[Value, Value]]


def read_torch_export(
    source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener
) -> Opened:
    """Read an archive of torch.export.save, of any release.

    Raises:
        ContainerError: it holds no exported model in either layout.
    """
    if archive.find(_EARLY_PROGRAM) is not None:
        return _read_early(source, archive, limits, blobs)
    return _Pt2(source, archive, limits, blobs).read()


class _Pt2:
    """One archive of torch 2.8 or later."""

    def __init__(
        self, source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener
    ) -> None:
        self._archive: Final = archive
        self._root: Final = archive.root
        self._limits: Final = limits
        self._blobs: Final = blobs
        self._opened: Final = Opened(
            source, "zip", writer="torch.export, 2.8 or later", anomalies=list(archive.anomalies)
        )
        big_endian = is_big_endian(archive, self._root, limits)
        self._payloads: Final = Payloads(
            self._opened, archive, limits, blobs, big_endian=big_endian
        )

    def read(self) -> Opened:
        """Read every model; what cannot be read is left out, and `Opened.error` says why."""
        opened = self._opened
        models = self._models()
        if not models:
            raise ContainerError(
                "archive of torch.export without a model",
                source=opened.source.name,
                expected=f"a record {self._root}/{_WEIGHTS}<model>{_WEIGHTS_CONFIG}",
                found=f"{len(self._archive.records)} records",
            )
        entries: _Entries = []
        for model in models:
            # Usually there is one, called "model".
            prefix = "" if len(models) == 1 else f"{model}_"
            entries += self._read_model(model, model if prefix else "model", prefix)
        extras = self._extra_files()
        if extras:
            entries.append(("extra_files", MappingValue("dict", extras)))
        opened.root = _alone_if_lone(MappingValue("dict", entries))
        opened.storages += self._payloads.storages
        self._note_rest()
        return opened

    def _models(self) -> list[str]:
        """Return the names of the models, in the order of the archive."""
        prefix = f"{self._root}/{_WEIGHTS}"
        return [
            record.name[len(prefix) : -len(_WEIGHTS_CONFIG)]
            for record in self._archive.records
            if record.name.startswith(prefix) and record.name.endswith(_WEIGHTS_CONFIG)
        ]

    def _read_model(self, model: str, key: str, prefix: str) -> _Entries:
        order = self._order(model)
        weights = self._payload_entries(f"{_WEIGHTS}{model}{_WEIGHTS_CONFIG}", _WEIGHTS, order)
        entries: _Entries = [(key, MappingValue("OrderedDict", weights))]
        constants = self._payload_entries(
            f"{_CONSTANTS}{model}{_CONSTANTS_CONFIG}", _CONSTANTS, order
        )
        if constants:
            entries.append((f"{prefix}constants", MappingValue("OrderedDict", constants)))
        inputs = self._find(f"data/sample_inputs/{model}.pt")
        if inputs is not None and inputs.nbytes:
            value = nested_file_of_record(self._opened, inputs, self._limits, self._blobs)
            entries.append((f"{prefix}sample_inputs", value))
        return entries

    def _find(self, name: str) -> Record | None:
        return self._archive.find_folded(f"{self._root}/{name}")

    def _order(self, model: str) -> dict[str, int]:
        """Return name → place in the signature; empty, with a note, where it cannot be read."""
        record = self._find(f"models/{model}.json")
        try:
            return signature_order(record, self._limits) if record is not None else {}
        except LimitError as error:
            text = f"{model}: its graph is too long to be read for the order of names: {error}"
            self._opened.notes.append(Note("export_order_unknown", text))
        except FormatError as error:
            keep_error(self._opened, error)
        return {}

    def _payload_entries(self, config: str, folder: str, order: dict[str, int]) -> _Entries:
        record = self._find(config)
        if record is None:
            return []
        try:
            payloads = json_of_record(record, PayloadConfig, self._limits).config
        except FormatError as error:
            keep_error(self._opened, error)
            return []
        entries: _Entries = []
        last = len(order)
        for name in sorted(payloads, key=lambda name: order.get(name, last)):
            try:
                value = self._payloads.value(payloads[name], f"{self._root}/{folder}")
            except FormatError as error:
                error.record = error.record or f"{record.name}: {name[:200]}"
                keep_error(self._opened, error)
                continue
            entries.append((name, value))
        return entries

    def _extra_files(self) -> _Entries:
        prefix = f"{self._root}/extra/"
        files = (
            (record.name.removeprefix(prefix), record)
            for record in self._archive.records
            if record.name.startswith(prefix) and not record.is_folder
        )
        return small_values(self._opened, files, "extra_files_not_kept", self._limits)

    def _note_rest(self) -> None:
        stored: list[Record] = []
        unread: list[str] = []
        for record in self._archive.records:
            name = record.name.removeprefix(f"{self._root}/")
            if record.name in self._payloads.used or record.is_folder or name in _BOOKKEEPING:
                continue
            if name.endswith((_WEIGHTS_CONFIG, _CONSTANTS_CONFIG)):
                continue
            if name.startswith((_WEIGHTS, _CONSTANTS)):
                stored.append(record)
            elif not name.startswith(("models/", "data/sample_inputs/", "extra/")):
                unread.append(name)
        note_unreferenced(self._opened, stored, self._payloads.used)
        if unread:
            text = f"compiled code and others, not read: {listed(unread)}"
            self._opened.notes.append(Note("records_unread", text))


def _read_early(source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener) -> Opened:
    """Read an archive of torch 2.1 to 2.7."""
    opened = Opened(
        source,
        "zip",
        writer="torch.export, 2.1 to 2.7",
        anomalies=[anomaly for anomaly in archive.anomalies if anomaly.code not in _ROOTLESS],
    )
    entries: _Entries = []
    read = {_EARLY_PROGRAM, "version"}
    for key, name in _EARLY:
        record = archive.find(f"{name}.pt") or archive.find(f"{name}.json")
        if record is None or not record.nbytes:
            continue
        read.add(record.name)
        value = nested_file_of_record(opened, record, limits, blobs)
        if isinstance(value, MappingValue) and not value.entries:
            continue
        entries.append((key, value))
    if not any(key == "model" for key, _ in entries):
        missing = ContainerError(
            "archive of torch.export without weights",
            expected=f"a record {_EARLY[0][1]}.pt",
            found="none, or none that can be read",
        )
        keep_error(opened, missing)
    extras = [
        (record.name.removeprefix("extra_files/"), record)
        for record in archive.records
        if record.name.startswith("extra_files/") and not record.is_folder
    ]
    read.update(record.name for _, record in extras)
    kept = small_values(opened, extras, "extra_files_not_kept", limits)
    if kept:
        entries.append(("extra_files", MappingValue("dict", kept)))
    unread = [r.name for r in archive.records if r.name not in read and not r.is_folder]
    if unread:
        opened.notes.append(Note("records_unread", f"of unknown meaning: {listed(unread)}"))
    opened.root = _alone_if_lone(MappingValue("dict", entries))
    return opened


def _alone_if_lone(root: MappingValue) -> Value:
    """Return the one model's state_dict itself where there is nothing beside it."""
    if len(root.entries) == 1 and isinstance(root.entries[0][1], MappingValue):
        return root.entries[0][1]
    return root

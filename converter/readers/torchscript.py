"""Reads what torch.jit.save writes: a module's objects, its constants and the code of its classes.

Layout: ``R/data.pkl`` with storages under ``R/data/``, ``R/constants.pkl`` with storages under
``R/constants/`` (torch 1.4: ``R/tensors/`` for both), class texts under ``R/code/``, files of the
user's under ``R/extra/``. A frozen module is an object without attributes: its weights are
constants, which the code calls ``CONSTANTS.c0``, ``CONSTANTS.c1``, …. torch 1.0 and 1.1 wrote
``R/model.json`` instead of pickles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import Note, Opened
from converter.checkpoint.values import MappingValue, SequenceValue, Value
from converter.errors import ContainerError, DepickleError, FormatError
from converter.inert.machine import read_graph
from converter.readers.flattening import TensorMap
from converter.readers.record_storages import RecordStorages, is_big_endian, note_unreferenced
from converter.readers.record_values import keep_error, listed, pickle_of_record, small_values
from converter.readers.torchscript_code import CodeTexts
from converter.readers.torchscript_model_json import read_model_json
from converter.readers.torchscript_modules import (
    ScriptedParts,
    mapping,
    note_parts,
    scripted_parts,
    take_aliases,
)

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.containers.records import Archive
    from converter.limits import Limits
    from converter.readers.pickled import BlobOpener

DETAILS: Final = "_torchscript"
"""Attribute of a lone state_dict that holds what else the module had."""

_STORAGE_FOLDERS: Final = ("data/", "constants/", "tensors/")
_OTHER_FOLDERS: Final = ("code/", "extra/", ".data/", "traced_inputs/")
_OTHER_RECORDS: Final = frozenset(
    {
        "data.pkl",
        "constants.pkl",
        "traced_inputs.pkl",
        "model.json",
        "version",
        "byteorder",
        ".format_version",
    }
)
# Read by the lite interpreter and by debuggers; neither holds state.
_IGNORED: Final = (".debug_pkl", "bytecode.pkl", "mobile_debug_handles.pkl")


@dataclass(frozen=True, slots=True)
class ScriptPlaces:
    """Where the parts of one module stand in an archive.

    Attributes:
        folder: the folder of its two pickles, with a slash.
        code: the folder of the class texts, with a slash.
        data: storages of the module's object.
        constants: storages of the code's constants.
    """

    folder: str
    code: str
    data: RecordStorages
    constants: RecordStorages


def read_torchscript(
    source: ByteSource, archive: Archive, limits: Limits, blobs: BlobOpener
) -> Opened:
    """Read an archive of torch.jit.save.

    Raises:
        ContainerError: it holds neither ``data.pkl`` nor ``model.json``.
    """
    opened = Opened(source, "zip", anomalies=list(archive.anomalies))
    root = archive.root
    opened.writer = _writer_of(archive, root)
    if archive.find_folded(f"{root}/data.pkl") is not None:
        places = _places(archive, root, limits)
        parts, constants = script_parts_at(opened, archive, places, limits, blobs)
        opened.storages = places.data.storages + places.constants.storages
        used = places.data.used | places.constants.used
    elif (record := archive.find_folded(f"{root}/model.json")) is not None:
        parts, used = read_model_json(opened, archive, record, limits)
        constants = MappingValue("OrderedDict")
    else:
        raise ContainerError(
            "TorchScript archive without a module",
            source=source.name,
            expected=f"a record {root}/data.pkl",
            found=f"{len(archive.records)} records",
        )
    extras = _extra_files(opened, archive, root, limits)
    opened.root = script_value(parts, constants, limits, extras)
    folders = tuple(f"{root}/{folder}" for folder in _STORAGE_FOLDERS)
    stored = [record for record in archive.records if record.name.startswith(folders)]
    note_unreferenced(opened, stored, used)
    _read_traced_inputs(opened, archive, root, limits)
    _note_others(opened, archive, root)
    return opened


def script_parts_at(
    opened: Opened, archive: Archive, places: ScriptPlaces, limits: Limits, blobs: BlobOpener
) -> tuple[ScriptedParts, MappingValue]:
    """Return the parts of the module in one place, and the code's constants by name.

    What cannot be read is kept in `opened.error`.
    """
    values: dict[str, Value] = {}
    for name, storages in (("data", places.data), ("constants", places.constants)):
        record = archive.find_folded(f"{places.folder}{name}.pkl")
        if record is not None:
            values[name] = pickle_of_record(opened, record, storages.resolve, limits, blobs)
        else:
            missing = ContainerError(
                "TorchScript module without a pickle",
                expected=f"a record {places.folder}{name}.pkl",
                found="none",
            )
            keep_error(opened, missing)
    code = CodeTexts(archive, places.code, limits)
    parts = ScriptedParts()
    if "data" in values:
        try:
            parts = scripted_parts(values["data"], code, limits)
        except FormatError as error:
            error.record = error.record or f"{places.folder}data.pkl"
            keep_error(opened, error)
    for problem in code.problems[:1]:
        keep_error(opened, problem)
    note_parts(opened, parts)
    return parts, _named_constants(values.get("constants"))


def script_value(
    parts: ScriptedParts, constants: MappingValue, limits: Limits, extras: MappingValue
) -> Value:
    """Return a module as one value.

    That is its state_dict, with everything else in an attribute of it, where no other tensors
    exist; else a dict of ``model``, ``constants`` and ``extra``, each if there is any.
    """
    state = mapping(parts.state, "OrderedDict")
    aliases = take_aliases(parts)
    rest = [
        ("attributes", mapping(parts.attributes)),
        ("aliases", aliases),
        ("classes", mapping(parts.classes)),
        ("constants_in_code", mapping(parts.constants)),
        ("extra_files", extras),
    ]
    extra = _without_empty(rest)
    beside = _without_empty([("constants", constants), ("extra", extra)])
    if TensorMap(beside, limits).leads_to_tensor(beside):
        model: list[tuple[Value, Value]] = [("model", state)] if state.entries else []
        return MappingValue("dict", model + beside.entries)
    if beside.entries:
        extra.entries += [entry for entry in beside.entries if entry[0] == "constants"]
        state.attributes = MappingValue("dict", [(DETAILS, extra)])
    return state


def _without_empty(parts: list[tuple[str, MappingValue]]) -> MappingValue:
    return MappingValue("dict", [(name, value) for name, value in parts if value.entries])


def _places(archive: Archive, root: str, limits: Limits) -> ScriptPlaces:
    big_endian = is_big_endian(archive, root, limits)
    data, constants = (
        RecordStorages(archive, (f"{root}/{folder}/", f"{root}/tensors/"), big_endian=big_endian)
        for folder in ("data", "constants")
    )
    return ScriptPlaces(f"{root}/", f"{root}/code/", data, constants)


def _named_constants(value: Value) -> MappingValue:
    """Return the tuple of constants under the names that the code has for them."""
    items = value.items if isinstance(value, SequenceValue) else []
    return MappingValue(
        "OrderedDict", [(f"CONSTANTS.c{index}", item) for index, item in enumerate(items)]
    )


def _extra_files(opened: Opened, archive: Archive, root: str, limits: Limits) -> MappingValue:
    prefix = f"{root}/extra/"
    files = (
        (record.name.removeprefix(prefix), record)
        for record in archive.records
        if record.name.startswith(prefix) and not record.is_folder
    )
    return MappingValue("dict", small_values(opened, files, "extra_files_not_kept", limits))


def _read_traced_inputs(opened: Opened, archive: Archive, root: str, limits: Limits) -> None:
    """Read the pickle of the inputs a module was traced with, so that it can be judged.

    They are examples and no part of the module, so they are left out of its values.
    """
    record = archive.find_folded(f"{root}/traced_inputs.pkl")
    if record is None:
        return
    try:
        graph = read_graph(record.data, start=0, record=record.name, limits=limits)
    except DepickleError as error:
        keep_error(opened, error)
        return
    opened.graphs.append((record.name, graph))
    opened.anomalies.extend(graph.anomalies)
    folder = f"{root}/traced_inputs/"
    nbytes = sum(one.nbytes for one in archive.records if one.name.startswith(folder))
    text = f"the inputs it was traced with ({nbytes} bytes) are no part of the module"
    opened.notes.append(Note("traced_inputs_left_out", text))


def _note_others(opened: Opened, archive: Archive, root: str) -> None:
    """Say which records were not read."""
    ignored: list[str] = []
    unknown: list[str] = []
    for record in archive.records:
        name = record.name.removeprefix(f"{root}/")
        if name.endswith(_IGNORED):
            ignored.append(name)
        elif not name.startswith(_STORAGE_FOLDERS + _OTHER_FOLDERS) and (
            name not in _OTHER_RECORDS and not record.is_folder
        ):
            unknown.append(name)
    if ignored:
        text = f"not read, without any state: {listed(ignored)}"
        opened.notes.append(Note("torchscript_records_ignored", text))
    if unknown:
        opened.notes.append(Note("records_unread", f"of unknown meaning: {listed(unknown)}"))


def _writer_of(archive: Archive, root: str) -> str:
    """Return which releases of torch write such an archive (sources: torch 1.0 to 2.13)."""
    if archive.find_folded(f"{root}/byteorder"):
        return "TorchScript, torch 2.1 or later"
    if archive.find_folded(f"{root}/model.json"):
        return "TorchScript, torch 1.0 to 1.3"
    return "TorchScript, torch 1.4 to 2.0"

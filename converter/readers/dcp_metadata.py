"""The ``.metadata`` of a distributed checkpoint, as torch writes it, out of its inert pickle.

Classes moved and fields were added between releases: what a value is, is told by its fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.anomaly import Anomaly
from converter.checkpoint.values import (
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    as_text,
    kind_of,
)
from converter.dtypes import BY_NAME
from converter.errors import ContainerError, UnsupportedError

if TYPE_CHECKING:
    from typing import NoReturn

    from converter.checkpoint.values import Value
    from converter.dtypes import DType

_METADATA_CLASS: Final = "torch.distributed.checkpoint.metadata.Metadata"
_BYTES_CLASS: Final = "torch.distributed.checkpoint.metadata.BytesStorageMetadata"


class ItemPlace(NamedTuple):
    """Where an item lies.

    Attributes:
        file: name of its file, relative to the folder.
        offset: first byte in that file.
        nbytes: length.
        transforms: what it was passed through before it was written (compression, …).
    """

    file: str
    offset: int
    nbytes: int
    transforms: tuple[str, ...]


class ItemKey(NamedTuple):
    """Which item is meant.

    Attributes:
        name: the full name of the value.
        offset: of a chunk of a tensor, its first index; None for another value.
    """

    name: str
    offset: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """What is known of a tensor.

    Attributes:
        dtype: element type.
        shape: sizes of the whole.
        chunks: (first index, sizes) of its chunks.
    """

    dtype: DType
    shape: tuple[int, ...]
    chunks: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


@dataclass(slots=True)
class DcpMetadata:
    """The contents of a distributed checkpoint.

    Attributes:
        version: of the layout, or None.
        entries: full name → tensor, or None for any other value, in the order of the file.
        places: item → where it lies.
        paths: full name → keys that lead to it in the tree that was saved; ints index lists.
        anomalies: what was odd.
    """

    version: str | None
    entries: dict[str, TensorEntry | None] = field(default_factory=dict)
    places: dict[ItemKey, ItemPlace] = field(default_factory=dict)
    paths: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    anomalies: list[Anomaly] = field(default_factory=list)


def metadata_of(root: Value, source: str) -> DcpMetadata:
    """Return the metadata that a pickle holds.

    Raises:
        ContainerError: it holds something else.
        UnsupportedError: a tensor is of a dtype that no tensor can have.
    """
    if not isinstance(root, InertValue) or root.class_name != _METADATA_CLASS:
        _refuse(source, "the file itself", _METADATA_CLASS, kind_of(root))
    version = root.attribute("version")
    metadata = DcpMetadata(as_text(version))
    for key, item in _mapping(root.attribute("state_dict_metadata"), source, "state_dict_metadata"):
        name = as_text(key)
        if name is None:
            _refuse(source, "state_dict_metadata", "texts as keys", kind_of(key))
        metadata.entries[name] = _entry(item, source, name)
    for key, item in _mapping(root.attribute("storage_data"), source, "storage_data"):
        _add_place(metadata, key, item, source)
    planner = root.attribute("planner_data")
    if isinstance(planner, MappingValue):
        for key, item in planner.entries:
            name = as_text(key)
            path = _path(item)
            if name is not None and path is not None:
                metadata.paths[name] = path
    return metadata


def _refuse(source: str, what: str, expected: str, found: str) -> NoReturn:
    raise ContainerError(
        "metadata of a distributed checkpoint that torch does not write",
        source=source,
        record=what,
        expected=expected,
        found=found[:200],
        code="dcp_metadata",
    )


def _mapping(value: Value, source: str, what: str) -> list[tuple[Value, Value]]:
    if not isinstance(value, MappingValue):
        _refuse(source, what, "a dict", kind_of(value))
    return value.entries


def _entry(value: Value, source: str, name: str) -> TensorEntry | None:
    """Return what is known of a tensor; None for a value of another kind."""
    if not isinstance(value, InertValue):
        _refuse(source, name, "the description of a value", kind_of(value))
    if value.class_name == _BYTES_CLASS:
        return None
    shape = _sizes(value.attribute("size"))
    chunks = value.attribute("chunks")
    if shape is None or not isinstance(chunks, SequenceValue):
        _refuse(source, name, "size and chunks of a tensor", value.class_name)
    boxes = []
    for chunk in chunks.items:
        offsets = sizes = None
        if isinstance(chunk, InertValue):
            offsets, sizes = _sizes(chunk.attribute("offsets")), _sizes(chunk.attribute("sizes"))
        if offsets is None or sizes is None or not len(offsets) == len(sizes) == len(shape):
            _refuse(
                source, name, f"offsets and sizes of {len(shape)} dimensions", "a chunk without"
            )
        boxes.append((offsets, sizes))
    return TensorEntry(_dtype(value.attribute("properties"), source, name), shape, tuple(boxes))


def _dtype(properties: Value, source: str, name: str) -> DType:
    """Return the dtype out of a tensor's properties: the first of a tuple, or a field."""
    found: Value = None
    if isinstance(properties, InertValue):
        found = properties.attribute("dtype")
        for state in properties.states:
            if isinstance(state, SequenceValue) and state.items and found is None:
                found = state.items[0]
    if not isinstance(found, PlainValue) or found.kind != "torch.dtype":
        _refuse(source, name, "the dtype of a tensor", kind_of(found))
    dtype = BY_NAME.get(str(found.fields[0]))
    if dtype is None:
        raise UnsupportedError(
            "dtype of no tensor", source=source, record=name, found=str(found.fields[0])
        )
    return dtype


def _sizes(value: Value) -> tuple[int, ...] | None:
    """Return a torch.Size or a list of numbers from 0 up; None for anything else."""
    if not isinstance(value, SequenceValue):
        return None
    sizes = tuple(item for item in value.items if type(item) is int and item >= 0)
    return sizes if len(sizes) == len(value.items) else None


def _path(value: Value) -> tuple[str | int, ...] | None:
    if not isinstance(value, SequenceValue) or not value.items:
        return None
    parts = tuple(item for item in value.items if type(item) is str or type(item) is int)
    return parts if len(parts) == len(value.items) else None


def _add_place(metadata: DcpMetadata, key: Value, value: Value, source: str) -> None:
    """Keep where an item lies."""
    name = as_text(key.attribute("fqn")) if isinstance(key, InertValue) else None
    if name is None or not isinstance(key, InertValue):
        _refuse(source, "storage_data", "keys that name a value", kind_of(key))
    offset = key.attribute("offset")
    start = None if offset is None else _sizes(offset)
    if offset is not None and start is None:
        _refuse(source, name, "the offset of a chunk", kind_of(offset))
    if not isinstance(value, InertValue):
        _refuse(source, name, "the place of an item", kind_of(value))
    file = as_text(value.attribute("relative_path"))
    position, nbytes = value.attribute("offset"), value.attribute("length")
    if file is None or type(position) is not int or type(nbytes) is not int:
        _refuse(source, name, "a file, an offset and a length", value.class_name)
    transforms = value.attribute("transform_descriptors")
    names: tuple[str, ...] = ()
    if isinstance(transforms, SequenceValue):
        names = tuple(as_text(item) or type(item).__name__ for item in transforms.items)
    item = ItemKey(name, start)
    if item in metadata.places:
        detail = f"{name} at {start} has two places; loaders take the second"
        metadata.anomalies.append(Anomaly("dcp_item_twice", detail))
    metadata.places[item] = ItemPlace(file, position, nbytes, names)

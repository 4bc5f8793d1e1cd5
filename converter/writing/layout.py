"""What a plan consists of: entries, aliases, files, the output."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.checkpoint.tensor import TensorRef
    from converter.writing.names import Renamed
    from converter.writing.selection import LeftOut


class EntryPlan(NamedTuple):
    """One tensor of a file.

    Attributes:
        name: its name in the file.
        source_name: its full name in the checkpoint.
        component: name of the component it belongs to.
        key: its name inside the component.
        tensor: the tensor, by reference.
        dtype: the safetensors name of the type it is written as.
        shape: sizes as written.
        encoding: what was done where safetensors lacks the type (``complex128 as F64 pairs``),
            or None.
        start: first byte, counted from the start of the data section.
        stop: byte after the last one (half-open).
    """

    name: str
    source_name: str
    component: str
    key: str
    tensor: TensorRef
    dtype: str
    shape: tuple[int, ...]
    encoding: str | None
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Return its bytes in the file."""
        return self.stop - self.start


class AliasPlan(NamedTuple):
    """One tensor that is not written because the file holds the same view under another name.

    Attributes:
        name: the name it would have had in the file.
        kept: the name its bytes are written under.
        source_name: its full name in the checkpoint.
        component: name of the component it belongs to.
        key: its name inside the component.
        tensor: the tensor, by reference.
    """

    name: str
    kept: str
    source_name: str
    component: str
    key: str
    tensor: TensorRef


@dataclass(frozen=True, slots=True, eq=False)
class FilePlan:
    """One safetensors file.

    Attributes:
        file_name: its name, without a folder.
        components: names of the components in it, in the order of the source.
        entries: its tensors, in the order of their bytes.
        alias_plans: the tensors that stand in the file under another tensor's name.
        metadata: what goes under ``__metadata__``.
        header: length, JSON and padding, as they are written.
        data_nbytes: bytes of the data section.
    """

    file_name: str
    components: tuple[str, ...]
    entries: tuple[EntryPlan, ...]
    alias_plans: tuple[AliasPlan, ...]
    metadata: Mapping[str, str]
    header: bytes
    data_nbytes: int

    @property
    def aliases(self) -> Mapping[str, str]:
        """Return dropped name → kept name."""
        return MappingProxyType({alias.name: alias.kept for alias in self.alias_plans})

    @property
    def nbytes(self) -> int:
        """Return the size of the file."""
        return len(self.header) + self.data_nbytes


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A document that is too large for a header, in a file next to the output.

    Attributes:
        file_name: its name, without a folder.
        content: its bytes.
    """

    file_name: str
    content: bytes


class ShardIndex(NamedTuple):
    """What says which tensor of a component is in which of its files.

    Attributes:
        file_name: its name, without a folder.
        content: its bytes, JSON.
    """

    file_name: str
    content: bytes


@dataclass(frozen=True, slots=True, eq=False)
class OutputPlan:
    """Everything an output will consist of.

    Every tensor of the checkpoint is in exactly one of: the entries of a file, its aliases, or
    `left_out`.

    Attributes:
        files: the safetensors files; exactly one unless `folder`.
        left_out: the tensors that are not written, and why.
        renamed: the tensors whose names the format could not hold.
        folder: whether the output is a folder of files for each component.
        plain: whether the metadata holds nothing but the format.
        sidecar: the document, where no header holds it.
        indexes: one for each component that has several files.
    """

    files: tuple[FilePlan, ...]
    left_out: tuple[LeftOut, ...]
    renamed: tuple[Renamed, ...]
    folder: bool
    plain: bool
    sidecar: Sidecar | None = None
    indexes: tuple[ShardIndex, ...] = ()

    @property
    def nbytes(self) -> int:
        """Return the bytes of all files, the sidecar and the indexes included."""
        total = sum(file.nbytes for file in self.files)
        total += sum(len(index.content) for index in self.indexes)
        return total + (len(self.sidecar.content) if self.sidecar else 0)

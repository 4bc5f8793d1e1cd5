"""The document that travels with a converted checkpoint: everything that is no tensor bytes.

Its JSON is described by ``schemas/checkpoint-v1.json``, which is generated from these types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct, field

from converter.checkpoint.canonical import ComponentKind
from converter.checkpoint.tensor import TENSOR_CLASS
from converter.checkpoint.tree_types import TextForm, ValueForm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.checkpoint.canonical import Component, Note
    from converter.checkpoint.storage import Storage
    from converter.checkpoint.tensor import TensorRef
    from converter.checkpoint.values import Value

SCHEMA_ID: Final = "depickle/checkpoint-v1"
PRODUCER_NAME: Final = "depickle"


class Record(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a document that is no value of the tree."""


class ProducerRecord(Record, frozen=True):
    """The program that wrote the document."""

    name: Annotated[str, Meta(examples=["depickle"])]
    version: Annotated[str, Meta(examples=["0.1.0"])]


class NoteRecord(Record, frozen=True):
    """Something a person should know about how the source was understood."""

    code: Annotated[str, Meta(description="A stable name.", examples=["buffer_not_persistent"])]
    text: Annotated[TextForm, Meta(description="One sentence.")]


class SourceRecord(Record, frozen=True):
    """The file that was converted."""

    name: Annotated[
        TextForm, Meta(description="Its name, without any folder.", examples=["run.pth.tar"])
    ]
    nbytes: Annotated[int, Meta(ge=0, description="Its length in bytes.")]
    container: Annotated[
        str, Meta(description="Which kind of file it is.", examples=["zip", "legacy", "tar"])
    ]
    writer: Annotated[
        str | None,
        Meta(description="What is known of who wrote it.", examples=["torch 1.6 to 1.12"]),
    ] = None
    notes: Annotated[list[NoteRecord], Meta(description="What the reader noted.")] = field(
        default_factory=list
    )


class StorageRecord(Record, frozen=True):
    """A storage of the source: a run of bytes that tensors looked into.

    Two tensors that name the same storage shared memory.
    """

    key: Annotated[TextForm, Meta(description="Its name in the source.", examples=["0"])]
    nbytes: Annotated[int, Meta(ge=0, description="Its length in bytes.")]
    dtype: Annotated[
        str | None,
        Meta(description="Its element type; null if it had none.", examples=["float32"]),
    ]
    location: Annotated[
        TextForm,
        Meta(description="Where it lived when it was saved.", examples=["cpu", "cuda:0"]),
    ]
    big_endian: Annotated[
        bool, Meta(description="Whether the source holds the most significant byte first.")
    ] = False
    name: Annotated[
        str | None,
        Meta(
            description="The output tensor that holds all of its bytes, in order, if there is one "
            "and more than one value needs the storage."
        ),
    ] = None
    file: Annotated[
        str | None, Meta(description="The file that tensor is in; absent if it is this one.")
    ] = None
    data: Annotated[
        bytes | None,
        Meta(
            description="Its bytes as the source holds them, where only tensors need it that no "
            "component names: caches and the like on a pickled object."
        ),
    ] = None


class Encoding(Record, frozen=True):
    """How a tensor stands in the output whose dtype safetensors has not.

    ``bitcast``: the same bytes under another dtype and shape, so that the tensor's own dtype and
    shape are all that undoes it.
    """

    scheme: Annotated[str, Meta(examples=["bitcast"])]
    dtype: Annotated[str, Meta(description="The dtype in the output.", examples=["F64"])]
    shape: Annotated[
        list[Annotated[int, Meta(ge=0)]],
        Meta(description="The shape in the output.", examples=[[3, 4, 2]]),
    ]


class TensorRecord(Record, frozen=True):
    """A tensor: what it was in the source, and where its elements are in the output.

    The output holds the elements in row-major order without gaps, little-endian, with the
    conjugate and negative bits applied. A tensor without a name of its own is a view of its
    storage, as the source had it; where the storage has no name either, the output has no bytes
    of it (there were none, or they were left out).
    """

    name: Annotated[
        str | None, Meta(description="Its name in the output.", examples=["model.conv1.weight"])
    ]
    dtype: Annotated[str, Meta(description="torch's name of it.", examples=["float32"])]
    shape: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(examples=[[64, 3, 7, 7]])]
    storage: Annotated[int, Meta(ge=0, description="Index into `storages`.")]
    file: Annotated[
        str | None, Meta(description="The file it is in; absent if it is this one.")
    ] = None
    stride: Annotated[
        list[Annotated[int, Meta(ge=0)]] | None,
        Meta(description="Steps in elements; absent if the source was row-major without gaps."),
    ] = None
    offset: Annotated[
        int, Meta(ge=0, description="First element, in elements from the start of the storage.")
    ] = 0
    conj: Annotated[bool, Meta(description="Whether the source's bytes are conjugated.")] = False
    neg: Annotated[bool, Meta(description="Whether the source's bytes are negated.")] = False
    requires_grad: bool = False
    class_name: TextForm = TENSOR_CLASS
    attributes: Annotated[ValueForm, Meta(description="What else was set on it.")] = None
    encoding: Encoding | None = None


class ComponentRecord(Record, frozen=True):
    """One named part of the checkpoint."""

    name: Annotated[TextForm, Meta(examples=["model"])]
    kind: ComponentKind
    path: Annotated[
        list[TextForm],
        Meta(description="Where it stood, outermost key first.", examples=[["state_dict"]]),
    ]
    value: Annotated[ValueForm, Meta(description="That part of the tree.")]
    tensors: Annotated[
        list[tuple[TextForm, Annotated[int, Meta(ge=0)]]],
        Meta(
            description="Pairs of name inside the component and index into `tensors`, in order.",
            examples=[[["conv1.weight", 0], ["conv1.bias", 1]]],
        ),
    ]
    class_name: Annotated[
        TextForm | None,
        Meta(description="The class it was pickled as.", examples=["torchvision.models.ResNet"]),
    ] = None


class CheckpointDocument(Record, frozen=True):
    """A whole checkpoint except the bytes of its tensors: typed, lossless, nothing executable."""

    schema: Annotated[Literal["depickle/checkpoint-v1"], Meta(description="Type and version.")]
    producer: ProducerRecord
    source: SourceRecord
    style: Annotated[str, Meta(examples=["state_dict", "bundle", "module"])]
    bare: Annotated[
        bool,
        Meta(description="Whether tensors keep their own names, rather than component.name."),
    ]
    components: list[ComponentRecord]
    tensors: Annotated[
        list[TensorRecord], Meta(description="Every tensor of the tree; its index is its id.")
    ]
    storages: Annotated[
        list[StorageRecord], Meta(description="Every storage of the tree; its index is its id.")
    ]
    root: Annotated[ValueForm, Meta(description="The value that the source holds.")]
    nodes: Annotated[
        list[ValueForm],
        Meta(
            description="What is referred to more than once, and what lies deep; none is itself "
            "a reference."
        ),
    ]
    layout: Annotated[
        str | None,
        Meta(description="The framework layout that was recognised.", examples=["lightning"]),
    ] = None
    notes: Annotated[
        list[NoteRecord], Meta(description="What a person should know about the canonical form.")
    ] = field(default_factory=list)
    aliases: Annotated[
        dict[str, str],
        Meta(
            description="Names that are not in the output → names of the equal tensors that are.",
            examples=[{"lm_head.weight": "embed.weight"}],
        ),
    ] = field(default_factory=dict)


class OutputTensor(NamedTuple):
    """Where the bytes of a tensor are in an output.

    Attributes:
        name: its name there; exact aliases share one.
        file: the file it is in, as a name relative to the document; None if that is the one that
            carries the document.
        encoding: how it stands there, for a dtype that safetensors has not.
    """

    name: str
    file: str | None = None
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class SourceView:
    """How a tensor looked into its storage in the source; facts, since the output is contiguous.

    Attributes:
        storage: index of the storage among the document's.
        stride: steps between neighbours, in elements.
        offset: first element, in elements from the start of the storage.
        conj: the stored imaginary parts were negated when read.
        neg: the stored values were negated when read.
    """

    storage: int
    stride: tuple[int, ...]
    offset: int
    conj: bool = False
    neg: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RestoredTree:
    """What a document and the tensors beside it hold.

    Attributes:
        root: the value that the source held.
        components: in the order of the source, over the same objects as `root`.
        tensors: every tensor of the tree, by its index in the document.
        views: how each of `tensors` looked into its storage in the source.
        storages: every storage of the tree, by its index in the document; its `data` is None
            where only one tensor needs it, or no one output tensor holds it.
        notes: of the canonical form.
    """

    root: Value
    components: tuple[Component, ...]
    tensors: tuple[TensorRef, ...]
    views: tuple[SourceView, ...]
    storages: tuple[Storage, ...]
    notes: tuple[Note, ...]


def contiguous_stride(shape: Iterable[int]) -> tuple[int, ...]:
    """Return the steps, in elements, of a row-major tensor without gaps, as torch counts them."""
    strides = []
    step = 1
    for size in reversed(tuple(shape)):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))

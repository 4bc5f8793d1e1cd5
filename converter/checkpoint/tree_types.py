"""The JSON forms of values: one typed object per kind of value that JSON has not.

None, bool, str, int and float stand for themselves where JSON holds them exactly. Every other value
is an object with a ``type``. A value that is referred to more than once, or that lies deep, stands
in the document's list of nodes, and a `RefForm` in its place.

The encoder makes a form empty and fills it later, so that no nesting makes it recurse: the
collections here are lists, and the classes are not frozen.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field


class Form(Struct, tag_field="type", forbid_unknown_fields=True, omit_defaults=True):
    """A value as an object of JSON; ``type`` says which."""


class RefForm(Form, tag="ref"):
    """The value that stands in `nodes` under this index: one object, however often it is named."""

    id: Annotated[int, Meta(ge=0, description="Index into `nodes`.", examples=[17])]


class EscapedText(Form, tag="text"):
    r"""Text with lone surrogates, which no UTF-8 can hold.

    Each is written ``\udxxx`` (four hexadecimal digits), and each backslash twice.
    """

    escaped: Annotated[str, Meta(examples=["broken \\ud800 name, C:\\\\models"])]


TextForm: TypeAlias = Annotated[
    str | EscapedText | RefForm,
    Meta(title="Text", description="Text: a JSON string, escaped, or a long one in `nodes`."),
]


class IntForm(Form, tag="int"):
    """An integer beyond 2^53 - 1, which most readers of JSON would round."""

    value: Annotated[
        str,
        Meta(
            pattern="^-?(0|[1-9][0-9]{0,99}|0x[0-9a-f]+)$",
            description="Decimal digits, or hexadecimal ones after 0x.",
            examples=["18446744073709551615"],
        ),
    ]


class FloatForm(Form, tag="float"):
    """A float that JSON has not: an infinity, a NaN, or minus zero."""

    bits: Annotated[
        str,
        Meta(
            pattern="^[0-9a-f]{16}$",
            description="The eight bytes of the IEEE 754 double, most significant first.",
            examples=["7ff0000000000000"],
        ),
    ]


class BytesForm(Form, tag="bytes"):
    """Bytes."""

    base64: Annotated[bytes, Meta(examples=["AAECAw=="])]


class ByteStringForm(Form, tag="bytestring"):
    """A Python 2 ``str``: bytes whose encoding the file does not say."""

    latin1: Annotated[
        str,
        Meta(
            pattern="^[\\u0000-\\u00ff]*$",
            description="One character per byte, U+0000 to U+00FF.",
            examples=["conv1.weight"],
        ),
    ]


class SequenceForm(Form):
    """A collection: its members in order."""

    items: list[ValueForm]
    maxlen: Annotated[int | IntForm | None, Meta(description="Of a bounded deque.")] = None


class ListForm(SequenceForm, tag="list"):
    """A list."""


class TupleForm(SequenceForm, tag="tuple"):
    """A tuple."""


class SetForm(SequenceForm, tag="set"):
    """A set, its members in the order of the source."""


class FrozenSetForm(SequenceForm, tag="frozenset"):
    """A frozenset, its members in the order of the source."""


class DequeForm(SequenceForm, tag="deque"):
    """A ``collections.deque``."""


class SizeForm(SequenceForm, tag="torch.Size"):
    """A ``torch.Size``."""


class MappingForm(Form):
    """A mapping: pairs of key and value in insertion order; keys keep their types."""

    entries: list[PairForm]
    factory: Annotated[ValueForm, Meta(description="Of a defaultdict.")] = None
    attributes: Annotated[
        ValueForm, Meta(description="Set on the object itself, as `_metadata` of a state_dict.")
    ] = None


class DictForm(MappingForm, tag="dict"):
    """A dict."""


class OrderedDictForm(MappingForm, tag="OrderedDict"):
    """A ``collections.OrderedDict``."""


class DefaultDictForm(MappingForm, tag="defaultdict"):
    """A ``collections.defaultdict``."""


class CounterForm(MappingForm, tag="Counter"):
    """A ``collections.Counter``."""


class PlainForm(Form, tag="plain"):
    """A value of a small known type, as the arguments that would make it."""

    kind: Annotated[str, Meta(examples=["complex", "torch.dtype", "pathlib.PosixPath"])]
    fields: list[ValueForm]


class GlobalForm(Form, tag="global"):
    """A class or a function that was pickled by its name, which is text here: never looked up."""

    module: Annotated[TextForm, Meta(examples=["torch.nn.modules.linear"])]
    name: Annotated[TextForm, Meta(examples=["Linear"])]
    source_file: Annotated[
        TextForm | None, Meta(description="The path that a legacy torch file notes.")
    ] = None
    source: Annotated[TextForm | None, Meta(description="The class's own source text.")] = None


class ArrayForm(Form, tag="array"):
    """A numpy array or scalar that no tensor can hold."""

    dtype: ValueForm
    shape: list[Annotated[int, Meta(ge=0)]]
    data: Annotated[
        ValueForm, Meta(description="The raw bytes as numpy keeps them; absent beside `items`.")
    ] = None
    items: Annotated[list[ValueForm] | None, Meta(description="The items of an object array.")] = (
        None
    )
    fortran: Annotated[bool, Meta(description="Whether the data is in column-major order.")] = False
    scalar: Annotated[bool, Meta(description="A numpy scalar rather than an array.")] = False
    class_name: TextForm = "numpy.ndarray"


class ObjectForm(Form, tag="object"):
    """An object of a class that the converter does not know: what the pickle says, as data."""

    class_name: Annotated[TextForm, Meta(examples=["omegaconf.dictconfig.DictConfig"])]
    how: Annotated[str, Meta(description="What made it.", examples=["REDUCE", "NEWOBJ"])]
    func: Annotated[ValueForm, Meta(description="What was called, if it is no plain name.")] = None
    args: list[ValueForm] = field(default_factory=list)
    kwargs: ValueForm = None
    states: Annotated[list[ValueForm], Meta(description="States it was given, in order.")] = field(
        default_factory=list
    )
    entries: Annotated[list[PairForm], Meta(description="Keys and values set on it.")] = field(
        default_factory=list
    )
    appended: Annotated[list[ValueForm], Meta(description="Members added to it.")] = field(
        default_factory=list
    )


class CompositeForm(Form, tag="composite"):
    """A tensor that torch keeps as several: sparse, quantised, nested, a wrapper subclass."""

    kind: Annotated[str, Meta(examples=["sparse_coo", "quantized", "meta"])]
    dtype: Annotated[str | None, Meta(examples=["float32"])]
    shape: list[Annotated[int, Meta(ge=0)]] | None
    parts: Annotated[list[PairForm], Meta(description="Pairs of name and inner tensor.")] = field(
        default_factory=list
    )
    facts: Annotated[list[PairForm], Meta(description="Pairs of name and other value.")] = field(
        default_factory=list
    )
    requires_grad: bool = False
    class_name: TextForm = "torch.Tensor"


class TensorForm(Form, tag="tensor"):
    """A tensor, by its index in `tensors`."""

    id: Annotated[int, Meta(ge=0, description="Index into `tensors`.", examples=[3])]


class StorageForm(Form, tag="storage"):
    """A storage that stands in the tree by itself, by its index in `storages`."""

    id: Annotated[int, Meta(ge=0, description="Index into `storages`.", examples=[0])]


ValueForm: TypeAlias = Annotated[
    bool
    | int
    | float
    | str
    | RefForm
    | EscapedText
    | IntForm
    | FloatForm
    | BytesForm
    | ByteStringForm
    | ListForm
    | TupleForm
    | SetForm
    | FrozenSetForm
    | DequeForm
    | SizeForm
    | DictForm
    | OrderedDictForm
    | DefaultDictForm
    | CounterForm
    | PlainForm
    | GlobalForm
    | ArrayForm
    | ObjectForm
    | CompositeForm
    | TensorForm
    | StorageForm
    | None,
    Meta(
        title="Value",
        description=(
            "Any value of the tree. A number with a fraction point or an exponent is a float, "
            "any other an int: 1 and 1.0 differ."
        ),
    ),
]

PairForm: TypeAlias = Annotated[
    list[ValueForm],
    Meta(title="Pair", description="[key, value]", min_length=2, max_length=2),
]

SEQUENCE_FORMS: dict[str, type[SequenceForm]] = {
    "list": ListForm,
    "tuple": TupleForm,
    "set": SetForm,
    "frozenset": FrozenSetForm,
    "deque": DequeForm,
    "torch.Size": SizeForm,
}
"""Kind of a SequenceValue → its form; the kind is the ``type``."""

MAPPING_FORMS: dict[str, type[MappingForm]] = {
    "dict": DictForm,
    "OrderedDict": OrderedDictForm,
    "defaultdict": DefaultDictForm,
    "Counter": CounterForm,
}
"""Kind of a MappingValue → its form; the kind is the ``type``."""

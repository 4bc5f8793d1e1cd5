"""From JSON forms back to values: every form becomes one object, filled after all exist.

The inverse of `converter.checkpoint.tree_encoding`. An object is made empty where it is first met
and filled later, so that cycles close and no nesting makes this recurse.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from converter.checkpoint import tree_types as forms
from converter.checkpoint.tree_atoms import (
    decode_bytes,
    decode_float,
    decode_int,
    decode_text,
)
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.dtypes import BY_NAME
from converter.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from converter.checkpoint.storage import Storage
    from converter.checkpoint.tensor import TensorRef
    from converter.dtypes import DType

_Item = TypeVar("_Item")

_SEQUENCE_KINDS: Final = {form: kind for kind, form in forms.SEQUENCE_FORMS.items()}
_MAPPING_KINDS: Final = {form: kind for kind, form in forms.MAPPING_FORMS.items()}
_LITERALS: Final = frozenset({type(None), bool, int, float, str})


class TreeDecoder:
    """Turns forms into values; what `nodes` holds once becomes one object.

    `tensors` and `storages` may still grow while forms are decoded only if no form that was
    decoded so far asks for what is missing.
    """

    def __init__(
        self,
        nodes: Sequence[forms.ValueForm],
        tensors: Sequence[TensorRef],
        storages: Sequence[Storage],
    ) -> None:
        """Resolve references in these three lists."""
        self._nodes: Final = nodes
        self._tensors: Final = tensors
        self._storages: Final = storages
        self._made: Final[dict[int, Value]] = {}
        self._unfilled: Final[deque[tuple[forms.Form, Value]]] = deque()

    def decode(self, form: forms.ValueForm) -> Value:
        """Return the value of a form, complete.

        Raises:
            FormatError: a reference leads nowhere, or to a value of the wrong type.
        """
        value = self._place(form)
        while self._unfilled:
            pending, shell = self._unfilled.popleft()
            self._FILL[type(pending)](self, pending, shell)
        return value

    def text(self, form: forms.TextForm) -> str:
        """Return the text of a form.

        Raises:
            FormatError: a reference leads nowhere, or to something else than text.
        """
        found = self._target(form) if isinstance(form, forms.RefForm) else form
        if isinstance(found, (str, forms.EscapedText)):
            return decode_text(found)
        raise _wrong("text", found)

    def _place(self, form: forms.ValueForm) -> Value:
        """Return the value of a form: complete if it is plain, else with a filling to come."""
        if type(form) in _LITERALS:
            return form  # type: ignore[return-value]  # the five types stand for themselves
        if isinstance(form, forms.RefForm):
            if form.id not in self._made:
                self._made[form.id] = self._make(self._target(form))
            return self._made[form.id]
        return self._make(form)

    def _target(self, form: forms.RefForm) -> forms.ValueForm:
        target = _item(self._nodes, form.id, "nodes")
        if isinstance(target, forms.RefForm):
            raise _wrong("a value as target of a reference", target)
        return target

    def _make(self, form: forms.ValueForm) -> Value:
        make = self._MAKE.get(type(form))
        if make is None:
            return form  # type: ignore[return-value]  # a literal in `nodes`
        value: Value = make(self, form)
        if type(form) in self._FILL:
            self._unfilled.append((form, value))  # type: ignore[arg-type]  # it is no literal
        return value

    def _many(self, items: Iterable[forms.ValueForm]) -> list[Value]:
        place = self._place
        return [place(item) for item in items]

    def _pairs(self, entries: Iterable[list[forms.ValueForm]]) -> list[tuple[Value, Value]]:
        place = self._place
        return [(place(key), place(value)) for key, value in entries]

    def _named(self, entries: Iterable[list[forms.ValueForm]]) -> tuple[tuple[str, Value], ...]:
        return tuple((self._name(key), self._place(value)) for key, value in entries)

    def _name(self, form: forms.ValueForm) -> str:
        if isinstance(form, (str, forms.EscapedText, forms.RefForm)):
            return self.text(form)
        raise _wrong("a name", form)

    def _optional_text(self, form: forms.TextForm | None) -> str | None:
        return None if form is None else self.text(form)

    def _make_tensor(self, form: forms.TensorForm) -> Value:
        return _item(self._tensors, form.id, "tensors")

    def _make_storage(self, form: forms.StorageForm) -> Value:
        return _item(self._storages, form.id, "storages")

    def _make_sequence(self, form: forms.SequenceForm) -> Value:
        maxlen = None if form.maxlen is None else decode_int(form.maxlen)
        return SequenceValue(_SEQUENCE_KINDS[type(form)], [], maxlen)

    def _make_mapping(self, form: forms.MappingForm) -> Value:
        return MappingValue(_MAPPING_KINDS[type(form)])

    def _make_plain(self, form: forms.PlainForm) -> Value:
        return PlainValue(form.kind, ())

    def _make_global(self, form: forms.GlobalForm) -> Value:
        return GlobalValue(
            self.text(form.module),
            self.text(form.name),
            self._optional_text(form.source_file),
            self._optional_text(form.source),
        )

    def _make_array(self, form: forms.ArrayForm) -> Value:
        return ArrayValue(
            None,
            tuple(form.shape),
            form.fortran,
            b"" if form.items is None else [],
            form.scalar,
            self.text(form.class_name),
        )

    def _make_object(self, form: forms.ObjectForm) -> Value:
        return InertValue(self.text(form.class_name), form.how)

    def _make_composite(self, form: forms.CompositeForm) -> Value:
        return CompositeTensor(
            form.kind,
            None if form.dtype is None else decode_dtype(form.dtype),
            None if form.shape is None else tuple(form.shape),
            requires_grad=form.requires_grad,
            class_name=self.text(form.class_name),
        )

    def _fill_sequence(self, form: forms.SequenceForm, value: SequenceValue) -> None:
        value.items = self._many(form.items)

    def _fill_mapping(self, form: forms.MappingForm, value: MappingValue) -> None:
        value.entries = self._pairs(form.entries)
        value.factory = self._place(form.factory)
        attributes = self._place(form.attributes)
        if attributes is not None and not isinstance(attributes, MappingValue):
            raise _wrong("a mapping as attributes", form.attributes)
        value.attributes = attributes

    def _fill_plain(self, form: forms.PlainForm, value: PlainValue) -> None:
        complete(value, "fields", tuple(self._many(form.fields)))

    def _fill_array(self, form: forms.ArrayForm, value: ArrayValue) -> None:
        complete(value, "dtype", self._place(form.dtype))
        if form.items is not None:
            complete(value, "data", self._many(form.items))
            return
        data = self._place(form.data)
        if not isinstance(data, bytes):
            raise _wrong("bytes of an array", form.data)
        complete(value, "data", data)

    def _fill_object(self, form: forms.ObjectForm, value: InertValue) -> None:
        value.func = self._place(form.func)
        value.args = self._many(form.args)
        value.kwargs = self._place(form.kwargs)
        value.states = self._many(form.states)
        value.entries = self._pairs(form.entries)
        value.appended = self._many(form.appended)

    def _fill_composite(self, form: forms.CompositeForm, value: CompositeTensor) -> None:
        complete(value, "parts", self._named(form.parts))
        complete(value, "facts", self._named(form.facts))

    _MAKE: ClassVar[dict[type, Callable[..., Value]]] = {
        forms.EscapedText: lambda _, form: decode_text(form),
        forms.IntForm: lambda _, form: decode_int(form),
        forms.FloatForm: lambda _, form: decode_float(form),
        forms.BytesForm: lambda _, form: decode_bytes(form),
        forms.ByteStringForm: lambda _, form: decode_bytes(form),
        forms.PlainForm: _make_plain,
        forms.GlobalForm: _make_global,
        forms.ArrayForm: _make_array,
        forms.ObjectForm: _make_object,
        forms.CompositeForm: _make_composite,
        forms.TensorForm: _make_tensor,
        forms.StorageForm: _make_storage,
        **dict.fromkeys(_SEQUENCE_KINDS, _make_sequence),
        **dict.fromkeys(_MAPPING_KINDS, _make_mapping),
    }
    _FILL: ClassVar[dict[type, Callable[..., None]]] = {
        forms.PlainForm: _fill_plain,
        forms.ArrayForm: _fill_array,
        forms.ObjectForm: _fill_object,
        forms.CompositeForm: _fill_composite,
        **dict.fromkeys(_SEQUENCE_KINDS, _fill_sequence),
        **dict.fromkeys(_MAPPING_KINDS, _fill_mapping),
    }


def decode_dtype(name: str) -> DType:
    """Return the dtype of a name.

    Raises:
        FormatError: there is none of that name.
    """
    found = BY_NAME.get(name)
    if found is None:
        raise FormatError("document", expected="the name of a dtype", found=repr(name))
    return found


def complete(value: Value, name: str, content: object) -> None:
    """Give a frozen value, just made and not yet handed out, the content of one field."""
    object.__setattr__(value, name, content)


def _item(items: Sequence[_Item], index: int, what: str) -> _Item:
    if not 0 <= index < len(items):
        raise FormatError(
            "document", expected=f"an index into the {len(items)} {what}", found=str(index)
        )
    return items[index]


def _wrong(expected: str, found: object) -> FormatError:
    return FormatError("document", expected=expected, found=type(found).__name__)

"""From values to JSON forms: sharing kept by reference, nesting bounded, no recursion.

A first walk counts who is referred to twice. The second makes forms: a value that is shared, or
that lies `MAX_INLINE_DEPTH` levels below the last reference, goes into the list of nodes. So a
document is as large as the graph, never as the tree it unfolds to, and as shallow as a parser of
JSON likes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Final

from converter.checkpoint import tree_types as forms
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.tree_atoms import (
    encode_bytes,
    encode_float,
    encode_int,
    encode_text,
)
from converter.checkpoint.tree_sharing import (
    MIN_SHARED_LENGTH,
    Atom,
    AtomKey,
    find_shared,
    long_atom_key,
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
from converter.errors import UnsupportedError
from converter.inert.nodes import ATOMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A level costs at most three levels of JSON (object, list of pairs, pair), and the document's own
# frame three: below 80 in all. Parsers stop at 100 (simdjson's On-Demand default is 1024, that of
# .NET 64 to 1000, of Python about 1000).
MAX_INLINE_DEPTH: Final = 24


class TreeEncoder:
    """Turns values into forms; numbers tensors and storages as it meets them.

    Attributes:
        nodes: the forms that references point to.
        tensors: every tensor met so far; its index is its id.
        storages: every storage met so far; its index is its id.
        bare: those of them that stand in a tree by themselves.
    """

    def __init__(self, roots: Iterable[Value]) -> None:
        """Learn what is shared among everything that is going to be encoded."""
        self.nodes: Final[list[forms.ValueForm]] = []
        self.tensors: Final[list[TensorRef]] = []
        self.storages: Final[list[Storage]] = []
        self.bare: Final[set[Storage]] = set()
        self._shared, self._repeated = find_shared(roots)
        self._node_ids: Final[dict[Value, int]] = {}
        self._atom_ids: Final[dict[AtomKey, int]] = {}
        self._tensor_ids: Final[dict[TensorRef, int]] = {}
        self._storage_ids: Final[dict[Storage, int]] = {}
        self._unfilled: Final[deque[tuple[Value, forms.ValueForm, int]]] = deque()

    def encode(self, value: Value) -> forms.ValueForm:
        """Return the form of a value, complete."""
        form = self._place(value, 0)
        while self._unfilled:
            pending, shell, depth = self._unfilled.popleft()
            self._FILL[type(pending)](self, pending, shell, depth)
        return form

    def text(self, text: str) -> forms.TextForm:
        """Return the form of a text."""
        if len(text) < MIN_SHARED_LENGTH:
            return text if text.isascii() else encode_text(text)
        key = long_atom_key(text)
        if key is not None and key in self._repeated:
            return self._repeated_atom(key)
        return encode_text(text)

    def number_tensors(self, tensors: Iterable[TensorRef]) -> None:
        """Give tensors their indexes, in order, where they have none."""
        ids, numbered = self._tensor_ids, self.tensors
        for tensor in tensors:
            if tensor not in ids:
                ids[tensor] = len(numbered)
                numbered.append(tensor)

    def tensor_id(self, tensor: TensorRef) -> int:
        """Return the index of a tensor, a new one the first time."""
        known = self._tensor_ids.get(tensor)
        if known is None:
            known = self._tensor_ids[tensor] = len(self.tensors)
            self.tensors.append(tensor)
        return known

    def storage_id(self, storage: Storage) -> int:
        """Return the index of a storage, a new one the first time."""
        known = self._storage_ids.get(storage)
        if known is None:
            known = self._storage_ids[storage] = len(self.storages)
            self.storages.append(storage)
        return known

    def _place(self, value: Value, depth: int) -> forms.ValueForm:
        """Return what stands in the place of a value: itself, a reference, or a form to fill."""
        if type(value) is str:
            return self.text(value)
        if type(value) is TensorRef:
            return forms.TensorForm(self.tensor_id(value))
        if type(value) in ATOMS:
            return self._atom(value)
        if isinstance(value, Storage):
            self.bare.add(value)
            return forms.StorageForm(self.storage_id(value))
        known = self._node_ids.get(value)
        if known is not None:
            return forms.RefForm(known)
        shell = self._shell(value)
        if depth < MAX_INLINE_DEPTH and value not in self._shared:
            self._unfilled.append((value, shell, depth + 1))
            return shell
        number = self._node_ids[value] = len(self.nodes)
        self.nodes.append(shell)
        self._unfilled.append((value, shell, 1))
        return forms.RefForm(number)

    def _atom(self, value: Value) -> forms.ValueForm:
        key = long_atom_key(value)
        if key is not None and key in self._repeated:
            return self._repeated_atom(key)
        if type(value) is int:
            return encode_int(value)
        if type(value) is float:
            return encode_float(value)
        if isinstance(value, bytes):
            return encode_bytes(value)
        return value if value is None else bool(value)

    def _repeated_atom(self, key: AtomKey) -> forms.RefForm:
        if key not in self._atom_ids:
            self._atom_ids[key] = len(self.nodes)
            self.nodes.append(_long_atom(key[1]))
        return forms.RefForm(self._atom_ids[key])

    def _shell(self, value: Value) -> forms.ValueForm:
        make = self._SHELL.get(type(value))
        if make is None:
            msg = f"no JSON form for {type(value).__name__}"
            raise TypeError(msg)
        form: forms.ValueForm = make(self, value)
        return form

    def _many(self, values: Iterable[Value], depth: int) -> list[forms.ValueForm]:
        place = self._place
        return [place(value, depth) for value in values]

    def _pairs(
        self, entries: Iterable[tuple[Value, Value]], depth: int
    ) -> list[list[forms.ValueForm]]:
        place, text = self._place, self.text
        return [
            [text(key) if type(key) is str else place(key, depth), place(value, depth)]
            for key, value in entries
        ]

    # Shells: what of a value is known without looking at its children.

    def _sequence_shell(self, value: SequenceValue) -> forms.Form:
        form = forms.SEQUENCE_FORMS.get(value.kind)
        if form is None:
            raise _unknown_kind("sequence", value.kind, forms.SEQUENCE_FORMS)
        return form([], None if value.maxlen is None else encode_int(value.maxlen))

    def _mapping_shell(self, value: MappingValue) -> forms.Form:
        form = forms.MAPPING_FORMS.get(value.kind)
        if form is None:
            raise _unknown_kind("mapping", value.kind, forms.MAPPING_FORMS)
        return form([])

    def _plain_shell(self, value: PlainValue) -> forms.Form:
        return forms.PlainForm(value.kind, [])

    def _global_shell(self, value: GlobalValue) -> forms.Form:
        return forms.GlobalForm(
            self.text(value.module),
            self.text(value.name),
            None if value.source_file is None else self.text(value.source_file),
            None if value.source is None else self.text(value.source),
        )

    def _array_shell(self, value: ArrayValue) -> forms.Form:
        return forms.ArrayForm(
            None,
            list(value.shape),
            fortran=value.fortran,
            scalar=value.scalar,
            class_name=self.text(value.class_name),
        )

    def _object_shell(self, value: InertValue) -> forms.Form:
        return forms.ObjectForm(self.text(value.class_name), value.how)

    def _composite_shell(self, value: CompositeTensor) -> forms.Form:
        return forms.CompositeForm(
            value.kind,
            None if value.dtype is None else value.dtype.name,
            None if value.shape is None else list(value.shape),
            requires_grad=value.requires_grad,
            class_name=self.text(value.class_name),
        )

    # Fillings: the children, each in its place.

    def _fill_sequence(self, value: SequenceValue, form: forms.SequenceForm, depth: int) -> None:
        form.items = self._many(value.items, depth)

    def _fill_mapping(self, value: MappingValue, form: forms.MappingForm, depth: int) -> None:
        form.entries = self._pairs(value.entries, depth)
        form.factory = self._place(value.factory, depth)
        form.attributes = self._place(value.attributes, depth)

    def _fill_plain(self, value: PlainValue, form: forms.PlainForm, depth: int) -> None:
        form.fields = self._many(value.fields, depth)

    def _fill_array(self, value: ArrayValue, form: forms.ArrayForm, depth: int) -> None:
        form.dtype = self._place(value.dtype, depth)
        if isinstance(value.data, list):
            form.items = self._many(value.data, depth)
        else:
            form.data = self._place(value.data, depth)

    def _fill_object(self, value: InertValue, form: forms.ObjectForm, depth: int) -> None:
        form.func = self._place(value.func, depth)
        form.args = self._many(value.args, depth)
        form.kwargs = self._place(value.kwargs, depth)
        form.states = self._many(value.states, depth)
        form.entries = self._pairs(value.entries, depth)
        form.appended = self._many(value.appended, depth)

    def _fill_composite(
        self, value: CompositeTensor, form: forms.CompositeForm, depth: int
    ) -> None:
        form.parts = self._pairs(value.parts, depth)
        form.facts = self._pairs(value.facts, depth)

    def _fill_nothing(self, value: Value, form: forms.Form, depth: int) -> None:
        """Do nothing: the shell is the whole form."""

    _SHELL: ClassVar[dict[type, Callable[..., Any]]] = {
        SequenceValue: _sequence_shell,
        MappingValue: _mapping_shell,
        PlainValue: _plain_shell,
        GlobalValue: _global_shell,
        ArrayValue: _array_shell,
        InertValue: _object_shell,
        CompositeTensor: _composite_shell,
    }
    _FILL: ClassVar[dict[type, Callable[..., None]]] = {
        SequenceValue: _fill_sequence,
        MappingValue: _fill_mapping,
        PlainValue: _fill_plain,
        GlobalValue: _fill_nothing,
        ArrayValue: _fill_array,
        InertValue: _fill_object,
        CompositeTensor: _fill_composite,
    }


def _long_atom(value: Atom) -> forms.ValueForm:
    if isinstance(value, str):
        return encode_text(value)
    return encode_bytes(value) if isinstance(value, bytes) else encode_int(value)


def _unknown_kind(what: str, kind: str, known: Iterable[str]) -> UnsupportedError:
    return UnsupportedError(f"{what} without a JSON form", expected=", ".join(known), found=kind)

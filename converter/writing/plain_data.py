"""What a weights-only pickle can hold of a tree, and how the rest is said as plain data.

``torch.load(weights_only=True)`` takes dicts, OrderedDicts, Counters, lists, tuples, sets, plain
values, tensors and torch's own small values. Everything else is listed, and only written where it
was allowed, as a dict whose key ``__depickle__`` says what it was:

=====================================  ==========================================================
frozenset, deque, set of such          ``items``, a list; ``maxlen`` of a deque
defaultdict, dict with other keys      ``entries``, a list of [key, value]; ``factory``;
                                       ``attributes``
date, time, path, slice, range, …      ``fields``: what the constructor took
class or function by name ("global")   ``module``, ``name``
numpy array of text or objects,        ``dtype``, ``shape``, ``fortran``, ``scalar``, ``class``,
numpy scalar ("array")                 ``data``: bytes, or a list of items
any other object ("object")            ``class``, ``how``, ``func``, ``args``, ``kwargs``,
                                       ``states``, ``entries``, ``appended``
tensor of a subclass ("tensor")        ``class``, ``tensor``, ``attributes``
wrapper or uninitialised ("composite") ``kind``, ``dtype``, ``shape``, ``class``,
                                       ``requires_grad``, ``parts``, ``facts``
int of more than 255 bytes ("int")     ``hex``
Python 2 str, not UTF-8 ("bytestring") ``bytes``
=====================================  ==========================================================

A numpy array of numbers becomes a tensor.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TENSOR_CLASS, TensorRef
from converter.checkpoint.tree_decoding import complete
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
from converter.inert.nodes import ATOMS, ByteString
from converter.writing.weights_only import (
    is_array,
    is_meta,
    is_utf8,
    reason_against,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MARK: Final = "__depickle__"
_MAX_SHORT_STRING: Final = 255


class PlainCopy:
    """Copies a tree, with everything that is not supported said as plain data.

    An object is made where it is first met and filled later, so sharing and cycles stay.
    """

    def __init__(self) -> None:
        """Begin with nothing copied."""
        self._made: Final[dict[int, Value]] = {}
        self._names: Final[dict[tuple[str, Value], Value]] = {}
        self._unfilled: Final[deque[tuple[Value, Value]]] = deque()

    def copy(self, root: Value) -> Value:
        """Return the copy of a whole tree; to be called once."""
        found = self._place(root)
        while self._unfilled:
            value, shell = self._unfilled.popleft()
            if isinstance(shell, MappingValue) and reason_against(value) is not None:
                shell.entries = self._description(value)
            else:
                self._FILL[type(value)](self, value, shell)
        return found

    def _place(self, value: Value) -> Value:
        if type(value) in ATOMS:
            return self._atom(value)
        if id(value) not in self._made:
            self._made[id(value)] = self._make(value)
        return self._made[id(value)]

    def _atom(self, value: Value) -> Value:
        if type(value) is ByteString:
            if not is_utf8(value):
                return _dict({MARK: "bytestring", "bytes": bytes(value)})
            return value if len(value) <= _MAX_SHORT_STRING else value.decode("utf-8")
        if type(value) is int and reason_against(value) is not None:
            return _dict({MARK: "int", "hex": hex(value)})
        return value

    def _make(self, value: Value) -> Value:
        if isinstance(value, TensorRef):
            return self._tensor(value)
        if reason_against(value) is not None:
            return self._later(value, MappingValue("dict"))
        if isinstance(value, SequenceValue):
            return self._later(value, SequenceValue(value.kind, [], value.maxlen))
        if isinstance(value, MappingValue):
            return self._later(value, MappingValue(value.kind))
        if isinstance(value, CompositeTensor):
            return self._later(value, replace(value, parts=(), facts=()))
        if isinstance(value, PlainValue) and value.kind in ("torch.dtype", "torch.qscheme"):
            return self._names.setdefault((value.kind, value.fields[0]), value)
        return value

    def _tensor(self, value: TensorRef) -> Value:
        if is_meta(value.storage):
            steps: Value = SequenceValue("tuple", list(value.stride))
            return CompositeTensor(
                "meta",
                value.dtype,
                value.shape,
                (),
                (("stride", steps),),
                value.requires_grad,
                value.class_name,
            )
        if is_array(value):
            return replace(value, class_name=TENSOR_CLASS, attributes=None)
        if reason_against(value) is not None:
            return self._later(value, MappingValue("dict"))
        if state_of(value) is None:
            return value if value.attributes is None else replace(value, attributes=None)
        return self._later(value, replace(value, attributes=None))

    def _later(self, value: Value, shell: Value) -> Value:
        self._unfilled.append((value, shell))
        return shell

    def _many(self, values: Iterable[Value]) -> list[Value]:
        return [self._place(value) for value in values]

    def _list(self, values: Iterable[Value]) -> Value:
        return SequenceValue("list", self._many(values))

    def _pairs(self, entries: Iterable[tuple[Value, Value]]) -> Value:
        return SequenceValue("list", [self._list(entry) for entry in entries])

    def _named(self, entries: Iterable[tuple[str, Value]]) -> Value:
        return MappingValue("dict", [(name, self._place(value)) for name, value in entries])

    # Copies of what is supported.

    def _fill_sequence(self, value: SequenceValue, shell: SequenceValue) -> None:
        shell.items = self._many(value.items)

    def _fill_mapping(self, value: MappingValue, shell: MappingValue) -> None:
        shell.entries = [(self._place(key), self._place(item)) for key, item in value.entries]
        if value.kind == "OrderedDict" and value.attributes is not None:
            attributes = self._place(value.attributes)
            if isinstance(attributes, MappingValue):
                shell.attributes = attributes

    def _fill_composite(self, value: CompositeTensor, shell: CompositeTensor) -> None:
        complete(shell, "parts", tuple((name, self._place(item)) for name, item in value.parts))
        complete(shell, "facts", tuple((name, self._place(item)) for name, item in value.facts))

    def _fill_tensor(self, value: TensorRef, shell: TensorRef) -> None:
        state = MappingValue("dict", [("(state)", self._place(state_of(value)))])
        complete(shell, "attributes", state)

    _FILL: ClassVar[dict[type, Callable[..., None]]] = {
        SequenceValue: _fill_sequence,
        MappingValue: _fill_mapping,
        CompositeTensor: _fill_composite,
        TensorRef: _fill_tensor,
    }

    # Descriptions of what is not.

    def _description(self, value: Value) -> list[tuple[Value, Value]]:
        described = self._DESCRIBE[type(value)](self, value)
        return list(described.items())

    def _describe_sequence(self, value: SequenceValue) -> dict[Value, Value]:
        found: dict[Value, Value] = {MARK: value.kind, "items": self._list(value.items)}
        return found | ({"maxlen": value.maxlen} if value.kind == "deque" else {})

    def _describe_mapping(self, value: MappingValue) -> dict[Value, Value]:
        found: dict[Value, Value] = {MARK: value.kind, "entries": self._pairs(value.entries)}
        if value.kind == "defaultdict":
            found["factory"] = self._place(value.factory)
        if value.attributes is not None:
            found["attributes"] = self._place(value.attributes)
        return found

    def _describe_plain(self, value: PlainValue) -> dict[Value, Value]:
        return {MARK: value.kind, "fields": self._list(value.fields)}

    def _describe_global(self, value: GlobalValue) -> dict[Value, Value]:
        return {MARK: "global", "module": value.module, "name": value.name}

    def _describe_array(self, value: ArrayValue) -> dict[Value, Value]:
        listed = isinstance(value.data, list)
        return {
            MARK: "array",
            "dtype": self._place(value.dtype),
            "shape": SequenceValue("list", list(value.shape)),
            "fortran": value.fortran,
            "scalar": value.scalar,
            "class": value.class_name,
            "data": self._list(value.data) if listed else bytes(value.data),  # type: ignore[arg-type]
        }

    def _describe_object(self, value: InertValue) -> dict[Value, Value]:
        return {
            MARK: "object",
            "class": value.class_name,
            "how": value.how,
            "func": self._place(value.func),
            "args": self._list(value.args),
            "kwargs": self._place(value.kwargs),
            "states": self._list(value.states),
            "entries": self._pairs(value.entries),
            "appended": self._list(value.appended),
        }

    def _describe_composite(self, value: CompositeTensor) -> dict[Value, Value]:
        return {
            MARK: "composite",
            "kind": value.kind,
            "dtype": None if value.dtype is None else value.dtype.name,
            "shape": None if value.shape is None else SequenceValue("list", list(value.shape)),
            "class": value.class_name,
            "requires_grad": value.requires_grad,
            "parts": self._named(value.parts),
            "facts": self._named(value.facts),
        }

    def _describe_tensor(self, value: TensorRef) -> dict[Value, Value]:
        plain = replace(value, class_name=TENSOR_CLASS, attributes=None)
        return {
            MARK: "tensor",
            "class": value.class_name,
            "tensor": plain,
            "attributes": self._place(value.attributes),
        }

    _DESCRIBE: ClassVar[dict[type, Callable[..., dict[Value, Value]]]] = {
        SequenceValue: _describe_sequence,
        MappingValue: _describe_mapping,
        PlainValue: _describe_plain,
        GlobalValue: _describe_global,
        ArrayValue: _describe_array,
        InertValue: _describe_object,
        CompositeTensor: _describe_composite,
        TensorRef: _describe_tensor,
        Storage: lambda _, value: {MARK: "storage", "key": value.key},
    }


def _dict(fields: dict[Value, Value]) -> Value:
    return MappingValue("dict", list(fields.items()))

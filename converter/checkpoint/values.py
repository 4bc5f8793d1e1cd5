"""The tree of values: everything a checkpoint holds, as inert data of known types.

None, bool, int, float, str and bytes stand for themselves (`ByteString` for a Python 2 ``str``).
Tensors are `TensorRef`, bare storages `Storage`. Sharing and cycles are kept: what was one object
in the pickle is one object here, so nothing may walk this tree by plain recursion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.inert.nodes import ATOMS, ByteString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.dtypes import DType


@dataclass(slots=True, eq=False)
class SequenceValue:
    """An ordered or unordered collection.

    Attributes:
        kind: ``list``, ``tuple``, ``set``, ``frozenset``, ``deque`` or ``torch.Size``.
        items: the members, in the order of the stream.
        maxlen: of a deque, else None.
    """

    kind: str
    items: list[Value]
    maxlen: int | None = None


@dataclass(slots=True, eq=False)
class MappingValue:
    """A dict of any kind; keys keep their types.

    Attributes:
        kind: ``dict``, ``OrderedDict``, ``defaultdict``, ``Counter``.
        entries: (key, value) in insertion order; a repeated key keeps its place and takes the
            last value, as in Python.
        factory: of a defaultdict, else None.
        attributes: set on the object itself by BUILD (``_metadata`` of a state_dict), or None.
    """

    kind: str
    entries: list[tuple[Value, Value]] = field(default_factory=list)
    factory: Value = None
    attributes: MappingValue | None = None

    def find(self, name: str) -> Value:
        """Return the value under a text key, or None; Python 2 byte keys count as text."""
        raw = name.encode()
        for key, value in self.entries:
            if key == name if type(key) is str else (type(key) is ByteString and key == raw):
                return value
        return None

    def text_keys(self) -> list[str]:
        """Return the keys that are text, Python 2 byte keys decoded."""
        texts = [key if type(key) is str else as_text(key) for key, _ in self.entries]
        return [text for text in texts if text is not None]


@dataclass(frozen=True, slots=True, eq=False)
class PlainValue:
    """A value of a known small type that JSON has not.

    Attributes:
        kind: the type: ``complex``, ``bytearray``, ``slice``, ``range``, ``torch.dtype``,
            ``torch.device``, ``datetime.datetime``, ``pathlib.PosixPath``, …
        fields: what it was built from, in the constructor's order.
    """

    kind: str
    fields: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GlobalValue:
    """A name used as a value: a class or a function that was pickled by reference.

    Attributes:
        module: as today's Python and torch spell it.
        name: qualified name inside the module.
        source_file: path of the class's source, as legacy torch files note it.
        source: the class's source text from a legacy torch file; shown, never run.
    """

    module: str
    name: str
    source_file: str | None = None
    source: str | None = None

    @property
    def full_name(self) -> str:
        """Return ``module.name``."""
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class ArrayValue:
    """A numpy array or scalar that is kept as a value because no tensor can hold it.

    Attributes:
        dtype: the inert description of its dtype (a PlainValue of kind ``numpy.dtype``).
        shape: sizes; () for a scalar.
        fortran: whether `data` is in column-major order.
        data: raw bytes as numpy keeps them, or the items of an object array.
        scalar: whether it was a numpy scalar rather than an array.
        class_name: the class, when it is another than ``numpy.ndarray``.
    """

    dtype: Value
    shape: tuple[int, ...]
    fortran: bool
    data: bytes | list[Value]
    scalar: bool = False
    class_name: str = "numpy.ndarray"


@dataclass(slots=True, eq=False)
class InertValue:
    """An object of a class this version does not know: its name and what it was made from.

    Attributes:
        class_name: ``module.name`` of what would be called, or a description of the callee.
        how: ``REDUCE``, ``NEWOBJ``, ``NEWOBJ_EX``, ``INST``, ``OBJ``, ``PERSISTENT``,
            ``EXTENSION`` or ``BUFFER``.
        func: the callee, when it is no plain name.
        args: positional arguments.
        kwargs: keyword arguments, or None.
        states: operands of BUILD, in order.
        entries: items set on it.
        appended: items appended or added to it.
    """

    class_name: str
    how: str
    func: Value = None
    args: list[Value] = field(default_factory=list)
    kwargs: Value = None
    states: list[Value] = field(default_factory=list)
    entries: list[tuple[Value, Value]] = field(default_factory=list)
    appended: list[Value] = field(default_factory=list)

    def attribute(self, name: str) -> Value:
        """Return what BUILD would have put under an attribute, the last one winning, or None."""
        found: Value = None
        for mapping in self.attribute_mappings():
            value = mapping.find(name)
            if value is not None:
                found = value
        return found

    def attribute_mappings(self) -> Iterator[MappingValue]:
        """Yield the dicts of attributes among the states: a dict, or (dict, slots dict)."""
        for state in self.states:
            if isinstance(state, MappingValue):
                yield state
            elif (
                isinstance(state, SequenceValue) and state.kind == "tuple" and len(state.items) == 2
            ):
                for part in state.items:
                    if isinstance(part, MappingValue):
                        yield part


@dataclass(frozen=True, slots=True, eq=False)
class CompositeTensor:
    """A tensor that torch keeps as several: sparse, quantised, nested, a wrapper subclass.

    Attributes:
        kind: ``sparse_coo``, ``sparse_csr``, …, ``quantized``, ``nested``, ``jagged``,
            ``wrapper``, ``meta``, ``uninitialized``.
        dtype: element type it shows to its users, or None where that is unknown.
        shape: its logical sizes, or None where they are unknown.
        parts: its inner tensors under their own names (``indices``, ``values``, …).
        facts: what else is needed to rebuild it (scheme, axis, is_coalesced, …).
        requires_grad: as saved.
        class_name: the class it was saved as.
    """

    kind: str
    dtype: DType | None
    shape: tuple[int, ...] | None
    parts: tuple[tuple[str, Value], ...] = ()
    facts: tuple[tuple[str, Value], ...] = ()
    requires_grad: bool = False
    class_name: str = "torch.Tensor"


Value: TypeAlias = (
    bool
    | int
    | float
    | str
    | bytes
    | SequenceValue
    | MappingValue
    | PlainValue
    | GlobalValue
    | ArrayValue
    | InertValue
    | CompositeTensor
    | TensorRef
    | Storage
    | None
)


def is_atom(value: object) -> bool:
    """Return whether `value` is one of the plain immutable values."""
    return type(value) in ATOMS


def as_text(value: Value) -> str | None:
    """Return a str or a Python 2 byte string as text, or None for anything else.

    Python 2 strings are decoded as UTF-8 as torch does, and as Latin-1 where they are not UTF-8.
    """
    if type(value) is str:
        return value
    if type(value) is ByteString:
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    return None


def children(value: Value) -> list[tuple[str, Value]]:
    """Return the values directly inside one, each with a label that reads well in a path."""
    if isinstance(value, TensorRef):
        return [] if value.attributes is None else [("(attributes)", value.attributes)]
    if isinstance(value, SequenceValue):
        return [(str(index), item) for index, item in enumerate(value.items)]
    if isinstance(value, MappingValue):
        found = [(key if type(key) is str else label_of(key), item) for key, item in value.entries]
        found += [("(key)", key) for key, _ in value.entries if type(key) not in ATOMS]
        if value.factory is not None:
            found.append(("(factory)", value.factory))
        if value.attributes is not None:
            found.append(("(attributes)", value.attributes))
        return found
    if isinstance(value, InertValue):
        return _inert_children(value)
    if isinstance(value, CompositeTensor):
        return list(value.parts) + list(value.facts)
    if isinstance(value, PlainValue):
        return [(str(index), item) for index, item in enumerate(value.fields)]
    if isinstance(value, ArrayValue):
        items = enumerate(value.data) if isinstance(value.data, list) else ()
        return [("(dtype)", value.dtype), *((str(index), item) for index, item in items)]
    return []


def label_of(key: Value) -> str:
    """Return how a dict key stands in a tensor's name."""
    text = as_text(key)
    if text is not None:
        return text
    if is_atom(key):
        return repr(key) if isinstance(key, bytes) else str(key)
    if isinstance(key, SequenceValue) and all(is_atom(item) for item in key.items):
        return "(" + ", ".join(label_of(item) for item in key.items) + ")"
    if isinstance(key, InertValue):
        return key.class_name
    return type(key).__name__


def kind_of(value: Value) -> str:
    """Return the name of a value's type, for people."""
    if isinstance(value, (SequenceValue, MappingValue, PlainValue)):
        return value.kind
    if isinstance(value, InertValue):
        return value.class_name
    if isinstance(value, (TensorRef, CompositeTensor)):
        return "tensor"
    if isinstance(value, GlobalValue):
        return "name"
    if isinstance(value, ArrayValue):
        return "numpy scalar" if value.scalar else value.class_name
    if type(value) is ByteString:
        return "Python 2 str"
    return type(value).__name__


def _is_slots_state(state: Value) -> bool:
    """Return whether a state is (attributes or None, slots): its parts are followed by name."""
    return (
        isinstance(state, SequenceValue)
        and state.kind == "tuple"
        and len(state.items) == 2
        and all(part is None or isinstance(part, MappingValue) for part in state.items)
    )


def _inert_children(value: InertValue) -> list[tuple[str, Value]]:
    found = [(f"(arg {index})", item) for index, item in enumerate(value.args)]
    if value.func is not None:
        found.append(("(callee)", value.func))
    if value.kwargs is not None:
        found.append(("(kwargs)", value.kwargs))
    attributes = set()
    for mapping in value.attribute_mappings():
        attributes.add(id(mapping))
        found += [(label_of(key), item) for key, item in mapping.entries]
    for index, state in enumerate(value.states):
        if id(state) not in attributes and not _is_slots_state(state):
            found.append((f"(state {index})", state))
    found += [(label_of(key), item) for key, item in value.entries]
    found += [(str(index), item) for index, item in enumerate(value.appended)]
    return found

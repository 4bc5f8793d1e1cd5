"""Whether two trees of values are the same: types, bits, order, sharing; and where they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.tree_atoms import float_bits
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
    label_of,
)
from converter.inert.nodes import ATOMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    CompareTensors: TypeAlias = Callable[[TensorRef, TensorRef], str | None]
    CompareStorages: TypeAlias = Callable[[Storage, Storage], str | None]

    # Where a pair stands: the place above it, and a key or a word. None is the root.
    Where: TypeAlias = tuple["Where", Value] | None

# How much a reason shows: characters of a text, bits of an integer, labels of a path.
_MAX_SHOWN: Final = 80
_MAX_DECIMAL_BITS: Final = 256
_MAX_LABELS: Final = 40


def trees_equal(
    a: Value,
    b: Value,
    *,
    compare_tensors: CompareTensors | None = None,
    compare_storages: CompareStorages | None = None,
) -> str | None:
    """Return None if two trees are the same, else where and how they first differ.

    The same means: equal types, floats equal in every bit, entries and members in the same order,
    and one object in `a` wherever there is one object in `b`. Tensors are compared by dtype,
    shape, requires_grad, class and attributes; how they lie in storages is not compared.

    Args:
        a: one tree.
        b: the other.
        compare_tensors: looks at the bytes of two tensors that agree in the rest; returns None,
            or how they differ.
        compare_storages: the same for storages that stand in the trees by themselves.

    Returns:
        None, or ``path: reason``; the path from the root, which is ``$``.
    """
    return _Comparison(compare_tensors, compare_storages).run(a, b)


class _Comparison:
    """Walks two trees side by side; each object of one is paired with one of the other."""

    def __init__(
        self,
        compare_tensors: CompareTensors | None,
        compare_storages: CompareStorages | None,
    ) -> None:
        self._compare_tensors: Final = compare_tensors
        self._compare_storages: Final = compare_storages
        self._partners: Final[dict[int, int]] = {}
        self._partners_back: Final[dict[int, int]] = {}
        self._stack: Final[list[tuple[Value, Value, Where]]] = []

    def run(self, a: Value, b: Value) -> str | None:
        self._stack.append((a, b, None))
        while self._stack:
            left, right, where = self._stack.pop()
            before = len(self._stack)
            reason = self._difference(left, right, where)
            if reason is not None:
                return f"{_path(where)}: {reason}"
            self._stack[before:] = reversed(self._stack[before:])  # first child first
        return None

    def _difference(self, a: Value, b: Value, where: Where) -> str | None:
        """Return how two values differ in themselves; put what is inside them on the stack."""
        if type(a) is not type(b):
            return f"{_type_name(a)} against {_type_name(b)}"
        if type(a) in ATOMS:
            return None if _atoms_equal(a, b) else f"{_shown(a)} against {_shown(b)}"
        known, known_back = self._partners.get(id(a)), self._partners_back.get(id(b))
        if known is not None or known_back is not None:
            return None if known == id(b) and known_back == id(a) else "shared differently"
        self._partners[id(a)] = id(b)
        self._partners_back[id(b)] = id(a)
        compare = self._COMPARE.get(type(a))
        if compare is None:
            msg = f"not a value: {type(a).__name__}"
            raise TypeError(msg)
        return compare(self, a, b, where)

    def _inside(self, a: Value, b: Value, where: Where, word: Value) -> None:
        self._stack.append((a, b, (where, word)))

    def _many(self, a: Sequence[Value], b: Sequence[Value], where: Where, word: str) -> str | None:
        if len(a) != len(b):
            return f"{len(a)} {word} against {len(b)}"
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            self._stack.append((left, right, (where, index)))
        return None

    def _pairs(
        self,
        a: Sequence[tuple[Value, Value]],
        b: Sequence[tuple[Value, Value]],
        where: Where,
        word: str,
    ) -> str | None:
        if len(a) != len(b):
            return f"{len(a)} {word} against {len(b)}"
        for (left_key, left), (right_key, right) in zip(a, b, strict=True):
            place = (where, left_key)
            self._stack.append((left_key, right_key, (place, "(key)")))
            self._stack.append((left, right, place))
        return None

    def _sequences(self, a: SequenceValue, b: SequenceValue, where: Where) -> str | None:
        return _fields_differ(a, b, "kind", "maxlen") or self._many(
            a.items, b.items, where, "items"
        )

    def _mappings(self, a: MappingValue, b: MappingValue, where: Where) -> str | None:
        self._inside(a.factory, b.factory, where, "(factory)")
        self._inside(a.attributes, b.attributes, where, "(attributes)")
        return _fields_differ(a, b, "kind") or self._pairs(a.entries, b.entries, where, "entries")

    def _plains(self, a: PlainValue, b: PlainValue, where: Where) -> str | None:
        return _fields_differ(a, b, "kind") or self._many(a.fields, b.fields, where, "fields")

    def _globals(self, a: GlobalValue, b: GlobalValue, where: Where) -> str | None:
        return _fields_differ(a, b, "module", "name", "source_file", "source")

    def _arrays(self, a: ArrayValue, b: ArrayValue, where: Where) -> str | None:
        self._inside(a.dtype, b.dtype, where, "(dtype)")
        reason = _fields_differ(a, b, "shape", "fortran", "scalar", "class_name")
        if reason is not None:
            return reason
        if isinstance(a.data, list) and isinstance(b.data, list):
            return self._many(a.data, b.data, where, "items")
        return None if type(a.data) is type(b.data) and a.data == b.data else "other data"

    def _objects(self, a: InertValue, b: InertValue, where: Where) -> str | None:
        self._inside(a.func, b.func, where, "(callee)")
        self._inside(a.kwargs, b.kwargs, where, "(kwargs)")
        return (
            _fields_differ(a, b, "class_name", "how")
            or self._many(a.args, b.args, (where, "(args)"), "arguments")
            or self._many(a.states, b.states, (where, "(states)"), "states")
            or self._pairs(a.entries, b.entries, where, "entries")
            or self._many(a.appended, b.appended, where, "members")
        )

    def _composites(self, a: CompositeTensor, b: CompositeTensor, where: Where) -> str | None:
        return (
            _fields_differ(a, b, "kind", "dtype", "shape", "requires_grad", "class_name")
            or self._pairs(a.parts, b.parts, where, "parts")
            or self._pairs(a.facts, b.facts, where, "facts")
        )

    def _tensors(self, a: TensorRef, b: TensorRef, where: Where) -> str | None:
        self._inside(a.attributes, b.attributes, where, "(attributes)")
        reason = _fields_differ(a, b, "dtype", "shape", "requires_grad", "class_name")
        if reason is None and self._compare_tensors is not None:
            reason = self._compare_tensors(a, b)
        return reason

    def _storages(self, a: Storage, b: Storage, where: Where) -> str | None:
        reason = _fields_differ(a, b, "dtype", "nbytes", "location")
        if reason is None and self._compare_storages is not None:
            reason = self._compare_storages(a, b)
        return reason

    _COMPARE: ClassVar[dict[type, Callable[..., str | None]]] = {
        SequenceValue: _sequences,
        MappingValue: _mappings,
        PlainValue: _plains,
        GlobalValue: _globals,
        ArrayValue: _arrays,
        InertValue: _objects,
        CompositeTensor: _composites,
        TensorRef: _tensors,
        Storage: _storages,
    }


def _atoms_equal(a: Value, b: Value) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return float_bits(a) == float_bits(b)
    return a == b


def _fields_differ(a: Value, b: Value, *names: str) -> str | None:
    for name in names:
        left, right = getattr(a, name), getattr(b, name)
        if left != right:
            return f"{name} {_shown(left)} against {_shown(right)}"
    return None


def _type_name(value: Value) -> str:
    name = type(value).__name__
    return f"{name} {_shown(value)}" if type(value) in ATOMS else name


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value!r} (0x{float_bits(value).hex()})"
    if isinstance(value, (str, bytes)) and len(value) > _MAX_SHOWN:
        return f"{value[:_MAX_SHOWN]!r}… ({len(value)} long)"
    if isinstance(value, int) and value.bit_length() > _MAX_DECIMAL_BITS:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)


def _path(where: Where) -> str:
    labels: list[str] = []
    while where is not None:
        where, word = where
        labels.append(label_of(word))
    labels.append("$")
    labels.reverse()
    if len(labels) > _MAX_LABELS:
        half = _MAX_LABELS // 2
        labels[half:-half] = [f"({len(labels) - 2 * half} more)"]
    return ".".join(labels)

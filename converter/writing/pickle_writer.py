"""Writes a tree of values as a pickle that ``torch.load(weights_only=True)`` takes.

Protocol 2, and of its opcodes only those that loader knows. The tree holds nothing but what
`converter.writing.weights_only` supports. Nothing is recursive: each value is a generator that
yields the values to be written in its midst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import PARAMETER_CLASS, TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.errors import PlanError
from converter.inert.nodes import ATOMS
from converter.writing.pickle_opcodes import (
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    EMPTY_TUPLE,
    MARK,
    PERSISTENT,
    REDUCE,
    TUPLE,
    TUPLES,
    OpcodeWriter,
)
from converter.writing.weights_only import COMPRESSED, STORAGE_CLASSES, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from converter.dtypes import DType

# As many members as CPython's pickler writes between two marks.
_BATCH: Final = 1_000
_UTILS: Final = "torch._utils"


class StorageName(Protocol):
    """How a storage is called in the archive around the pickle."""

    @property
    def key(self) -> str:
        """Return the last part of its record's name."""

    @property
    def dtype(self) -> DType | None:
        """Return the type of its class; None where tensors name their own."""


class PickleWriter(OpcodeWriter):
    """Writes one pickle."""

    def __init__(
        self, write: Callable[[bytes], object], name_of: Callable[[Storage], StorageName]
    ) -> None:
        """Write to `write`, piece by piece; storages are named by `name_of`."""
        super().__init__(write)
        self._name_of: Final = name_of
        self._open: Final[set[int]] = set()

    def write(self, root: Value) -> None:
        """Write the whole pickle of a tree; to be called once.

        Raises:
            PlanError: a tuple contains itself, which no such pickle can say.
        """
        self.emit(b"\x80\x02")
        stack: list[tuple[Iterator[Value], int]] = [(iter((root,)), 0)]
        while stack:
            running, value_id = stack[-1]
            for value in running:
                started = self._start(value)
                if started is not None:
                    self._open.add(id(value))
                    stack.append((started, id(value)))
                    break
            else:
                self._open.discard(value_id)
                stack.pop()
        self.emit(b".")

    def _start(self, value: Value) -> Iterator[Value] | None:
        """Write a plain or known value; return what writes any other."""
        if type(value) in ATOMS:
            self.atom(value)
            return None
        if self.recall(id(value)):
            return None
        if id(value) in self._open:
            msg = "value that contains itself: expected a list or a dict between the two"
            raise PlanError(msg)
        return self._VALUES[type(value)](self, value)

    # Collections.

    def _members(self, value: SequenceValue) -> Iterator[Value]:
        for start in range(0, len(value.items), _BATCH):
            self.emit(MARK)
            yield from value.items[start : start + _BATCH]
            self.emit(b"e")

    def _tuple_of(self, items: Sequence[Value]) -> Iterator[Value]:
        if not items:
            self.emit(EMPTY_TUPLE)
            return
        if len(items) > 3:
            self.emit(MARK)
        yield from items
        self.emit(TUPLES.get(len(items), TUPLE))

    def _sequence(self, value: SequenceValue) -> Iterator[Value]:
        if value.kind == "list":
            self.emit(EMPTY_LIST)
            self.remember(id(value))
            yield from self._members(value)
            return
        if value.kind == "tuple":
            yield from self._tuple_of(value.items)
        elif value.kind == "torch.Size":
            self.global_("torch", "Size")
            yield from self._tuple_of(value.items)
            self.emit(TUPLES[1] + REDUCE)
        else:
            self.global_("__builtin__", value.kind)
            self.emit(EMPTY_LIST)
            yield from self._members(value)
            self.emit(TUPLES[1] + REDUCE)
        self.remember(id(value))

    def _mapping(self, value: MappingValue) -> Iterator[Value]:
        if value.kind == "dict":
            self.emit(EMPTY_DICT)
        else:
            self.global_("collections", value.kind)
            self.emit(EMPTY_TUPLE + REDUCE)
        self.remember(id(value))
        for start in range(0, len(value.entries), _BATCH):
            self.emit(MARK)
            for entry in value.entries[start : start + _BATCH]:
                yield from entry
            self.emit(b"u")
        if value.kind == "OrderedDict" and value.attributes is not None:
            yield value.attributes
            self.emit(BUILD)

    def _plain(self, value: PlainValue) -> Iterator[Value]:
        if value.kind in ("torch.dtype", "torch.qscheme"):
            # Python knows one object of each; so does the memo, by its name.
            self.global_("torch", str(value.fields[0]))
            return
        if value.kind == "torch.layout":
            self._layout(str(value.fields[0]))
        else:
            module = "torch" if value.kind == "torch.device" else "__builtin__"
            self.global_(module, value.kind.rsplit(".", 1)[-1])
            yield from self._tuple_of(value.fields)
            self.emit(REDUCE)
        self.remember(id(value))

    def _layout(self, name: str) -> None:
        self.global_("torch.serialization", "_get_layout")
        self.text(f"torch.{name}")
        self.emit(TUPLES[1] + REDUCE)

    # Storages and tensors.

    def _storage(self, storage: Storage) -> None:
        name = self._name_of(storage)
        self.emit(MARK)
        self.text("storage")
        if name.dtype is None:
            self.global_("torch.storage", "UntypedStorage")
        else:
            self.global_("torch", STORAGE_CLASSES[name.dtype.name])
        self.text(name.key)
        self.text(storage.location)
        self.int_(storage.nbytes // (1 if name.dtype is None else name.dtype.itemsize))
        self.emit(TUPLE + PERSISTENT)

    def _bare_storage(self, value: Storage) -> Iterator[Value]:
        self._storage(value)
        self.remember(id(value))
        yield from ()

    def _no_hooks(self) -> None:
        self.global_("collections", "OrderedDict")
        self.emit(EMPTY_TUPLE + REDUCE)

    def _strided(self, value: TensorRef, *, requires_grad: bool) -> str:
        """Write the arguments of a rebuild function; return which one takes them."""
        typed = self._name_of(value.storage).dtype is not None
        self.emit(MARK)
        self._storage(value.storage)
        self.int_(value.offset)
        self.ints(value.shape)
        self.ints(value.stride)
        self.bool_(requires_grad)
        self._no_hooks()
        if not typed:
            self.global_("torch", value.dtype.name)
        if value.conj or value.neg:
            self.emit(EMPTY_DICT)
            for name, bit in (("conj", value.conj), ("neg", value.neg)):
                if bit:
                    self.text(name)
                    self.bool_(bit)
                    self.emit(b"s")
        self.emit(TUPLE)
        return "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3"

    def _function_of(self, value: TensorRef) -> str:
        typed = self._name_of(value.storage).dtype is not None
        return "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3"

    def _tensor(self, value: TensorRef) -> Iterator[Value]:
        state = state_of(value)
        if value.class_name == PARAMETER_CLASS:
            yield from self._parameter(value, state)
        elif state is None:
            self.global_(_UTILS, self._function_of(value))
            self._strided(value, requires_grad=value.requires_grad)
            self.emit(REDUCE)
        else:
            self.global_("torch._tensor", "_rebuild_from_type_v2")
            self.emit(MARK)
            self.global_(_UTILS, self._function_of(value))
            self.global_("torch", "Tensor")
            self._strided(value, requires_grad=value.requires_grad)
            yield state
            self.emit(TUPLE + REDUCE)
        self.remember(id(value))

    def _parameter(self, value: TensorRef | CompositeTensor, state: Value) -> Iterator[Value]:
        """Write a parameter around what would be the tensor without it."""
        with_state = "" if state is None else "_with_state"
        self.global_(_UTILS, f"_rebuild_parameter{with_state}")
        self.emit(MARK)
        if isinstance(value, TensorRef):
            self.global_(_UTILS, self._function_of(value))
            self._strided(value, requires_grad=False)
            self.emit(REDUCE)
        else:
            yield from self._composite_of(value)
        self.bool_(value.requires_grad)
        self._no_hooks()
        if state is not None:
            yield state
        self.emit(TUPLE + REDUCE)

    def _composite(self, value: CompositeTensor) -> Iterator[Value]:
        if value.class_name == PARAMETER_CLASS:
            yield from self._parameter(value, None)
        else:
            yield from self._composite_of(value)
        self.remember(id(value))

    def _composite_of(self, value: CompositeTensor) -> Iterator[Value]:
        if value.kind == "sparse_coo" or value.kind in COMPRESSED:
            yield from self._sparse(value)
        else:
            yield from self._COMPOSITES[value.kind](self, value)

    def _sparse(self, value: CompositeTensor) -> Iterator[Value]:
        """Write ``_rebuild_sparse_tensor(layout, data)``; is_coalesced only where it was known."""
        self.global_(_UTILS, "_rebuild_sparse_tensor")
        self._layout(value.kind)
        self.emit(MARK)
        parts = dict(value.parts)
        for name in COMPRESSED.get(value.kind, ("indices", "values")):
            yield parts[name]
        self.global_("torch", "Size")
        self.ints(value.shape or ())
        self.emit(TUPLES[1] + REDUCE)
        for name, fact in value.facts:
            if name == "is_coalesced":
                yield fact
        self.emit(TUPLE + TUPLES[2] + REDUCE)

    def _quantized(self, value: CompositeTensor) -> Iterator[Value]:
        inside = {**dict(value.parts), **dict(value.facts)}
        data = inside["int_repr"]
        assert isinstance(data, TensorRef)  # noqa: S101 - `weights_only` has looked
        self.global_(_UTILS, "_rebuild_qtensor")
        self.emit(MARK)
        self._storage(data.storage)
        self.int_(data.offset)
        self.ints(data.shape)
        self.ints(data.stride)
        names = ("scale", "zero_point") if "scale" in inside else ("scales", "zero_points", "axis")
        self.emit(MARK)
        for name in ("qscheme", *names):
            yield inside[name]
        self.emit(TUPLE)
        self.bool_(value.requires_grad)
        self._no_hooks()
        self.emit(TUPLE + REDUCE)

    def _nested(self, value: CompositeTensor) -> Iterator[Value]:
        parts = dict(value.parts)
        self.global_(_UTILS, "_rebuild_nested_tensor")
        yield from self._tuple_of([parts[n] for n in ("buffer", "sizes", "strides", "offsets")])
        self.emit(REDUCE)

    def _meta(self, value: CompositeTensor) -> Iterator[Value]:
        self.global_(_UTILS, "_rebuild_meta_tensor_no_storage")
        self.emit(MARK)
        self.global_("torch", "float32" if value.dtype is None else value.dtype.name)
        self.ints(value.shape or ())
        yield dict(value.facts)["stride"]
        self.bool_(value.requires_grad)
        self.emit(TUPLE + REDUCE)

    def _jagged(self, value: CompositeTensor) -> Iterator[Value]:
        module = "torch.nested._internal.nested_tensor"
        self.global_("torch._tensor", "_rebuild_from_type_v2")
        self.emit(MARK)
        self.global_(module, "_rebuild_njt")
        self.global_(module, "NestedTensor")
        self.emit(EMPTY_DICT + MARK)
        for name, item in (*value.parts, *value.facts):
            if name != "(state)":
                self.text(name)
                yield item
        self.emit(b"u" + TUPLES[1])
        yield dict(value.parts).get("(state)")
        self.emit(TUPLE + REDUCE)

    _COMPOSITES: ClassVar[dict[str, Callable[..., Iterator[Value]]]] = {
        "quantized": _quantized,
        "nested": _nested,
        "meta": _meta,
        "jagged": _jagged,
    }
    _VALUES: ClassVar[dict[type, Callable[..., Iterator[Value]]]] = {
        SequenceValue: _sequence,
        MappingValue: _mapping,
        PlainValue: _plain,
        CompositeTensor: _composite,
        TensorRef: _tensor,
        Storage: _bare_storage,
    }

"""From the tree of values to live Python objects: the original nesting, sharing and cycles kept.

What Python can change (lists, dicts, sets, objects) is made empty and filled later, so that
cycles close and no nesting makes this recurse. What it cannot change (tuples, sizes, small
values) is made once everything inside it exists; one that contains itself without anything
changeable between cannot be, and is an error.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from converter.checkpoint import live_arrays
from converter.checkpoint.live_values import (
    NAMESPACES,
    SAFE_TYPES,
    InertObject,
    is_namespace,
    live_atom,
    plain_value,
)
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
    children,
)
from converter.errors import FormatError, LimitError
from converter.inert.nodes import ATOMS, ByteString

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A tuple as a dict key is hashed whole, and again for every look-up: one that shares its parts
# could unfold to more than anybody can wait for.
MAX_KEY_PARTS: Final = 4_096


class TensorMaker(Protocol):
    """What makes live tensors: torch, or numpy where torch is not installed."""

    def tensor(self, value: TensorRef) -> Any:  # noqa: ANN401 - a tensor or an array
        """Return a dense tensor; those of one storage share its memory."""

    def attach(self, tensor: Any, attributes: dict[str, Any]) -> None:  # noqa: ANN401
        """Give a live tensor the attributes that were set on it."""

    def storage(self, value: Storage) -> Any:  # noqa: ANN401
        """Return a storage that stands in the tree by itself."""

    def composite(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        """Return a tensor of several parts from its live parts and facts."""

    def size(self, items: list[Any]) -> tuple[int, ...]:
        """Return a ``torch.Size``."""

    def plain(self, kind: str, fields: tuple[Any, ...]) -> Any:  # noqa: ANN401
        """Return one of torch's small values: a dtype, a device, a layout, a scheme."""


class LiveTree:
    """Makes live objects of one tree; one object for one value, however often it is asked for."""

    def __init__(self, tensors: TensorMaker) -> None:
        """Begin with nothing made."""
        self._tensors: Final = tensors
        self._made: Final[dict[int, Any]] = {}
        self._unfilled: Final[deque[tuple[Any, Any]]] = deque()

    def live(self, value: Value) -> Any:  # noqa: ANN401 - of any type
        """Return the live object of a value, complete.

        Raises:
            FormatError: a tuple contains itself, or a key of a dict cannot be one.
            TensorError, SourceError: the bytes of a tensor cannot be had.
            UnsupportedError: an element type is not known to what is installed here.
        """
        found = self._place(value)
        while self._unfilled:
            pending, shell = self._unfilled.popleft()
            self._FILL[type(pending)](self, pending, shell)
        return found

    def _place(self, root: Value) -> Any:  # noqa: ANN401
        """Return a live object: complete if it cannot change, else with a filling to come."""
        if type(root) in ATOMS:
            return live_atom(root)
        made = self._made
        open_values: set[int] = set()
        stack = [root]
        while stack:
            value = stack[-1]
            if id(value) in made:
                stack.pop()
                continue
            missing = [one for one in _inside(value) if not self._is_ready(one)]
            if missing:
                open_values.add(id(value))
                if any(id(one) in open_values for one in missing):
                    raise FormatError(
                        "value that contains itself",
                        expected="a list or a dict between the two",
                        found=getattr(value, "kind", type(value).__name__),
                    )
                stack += missing
                continue
            open_values.discard(id(value))
            made[id(value)] = self._MAKE[type(value)](self, value)
            stack.pop()
        return made[id(root)]

    def _is_ready(self, value: Value) -> bool:
        return type(value) in ATOMS or id(value) in self._made

    def _ready(self, value: Value) -> Any:  # noqa: ANN401
        return live_atom(value) if type(value) in ATOMS else self._made[id(value)]

    def _many(self, values: Iterable[Value]) -> list[Any]:
        place = self._place
        return [place(value) for value in values]

    def _key(self, value: Value) -> Any:  # noqa: ANN401
        """Return a live key.

        Raises:
            FormatError: Python could not use it as a key.
            LimitError: hashing it would take too long.
        """
        if type(value) in ATOMS:
            return live_atom(value)
        _check_key(value)
        key = self._place(value)
        try:
            hash(key)
        except TypeError as error:
            raise FormatError(
                "key that cannot be one", expected="something hashable", found=str(error)
            ) from error
        return key

    def _pairs(self, entries: Iterable[tuple[Value, Value]]) -> list[tuple[Any, Any]]:
        place, pairs, texts = self._place, [], set()
        for key, value in entries:
            live = self._key(key)
            if type(key) is ByteString and live in texts:
                live = bytes(key)  # a Python 2 string beside the same text: both must stay
            elif type(live) is str:
                texts.add(live)
            pairs.append((live, place(value)))
        return pairs

    # Making: whole values of what cannot change, shells of what can.

    def _sequence(self, value: SequenceValue) -> Any:  # noqa: ANN401
        if value.kind in _UNCHANGING:
            items = [self._ready(item) for item in value.items]
            if value.kind == "torch.Size":
                return self._tensors.size(items)
            if value.kind == "tuple":
                return tuple(items)
            return frozenset(self._key(item) for item in value.items)
        shell: Any = []
        if value.kind == "set":
            shell = set()
        elif value.kind == "deque":
            bounded = value.maxlen is not None and 0 <= value.maxlen < 1 << 62
            shell = deque(maxlen=value.maxlen if bounded else None)
        return self._later(value, shell)

    def _mapping(self, value: MappingValue) -> Any:  # noqa: ANN401
        if value.kind == "defaultdict":
            factory = value.factory
            known = factory.full_name if isinstance(factory, GlobalValue) else ""
            return self._later(value, defaultdict(SAFE_TYPES.get(known)))
        kinds: dict[str, Callable[[], Any]] = {"OrderedDict": OrderedDict, "Counter": Counter}
        return self._later(value, kinds.get(value.kind, dict)())

    def _object(self, value: InertValue) -> Any:  # noqa: ANN401
        if is_namespace(value):
            return self._later(value, NAMESPACES[value.class_name]())
        return self._later(value, InertObject(value.class_name, value.how))

    def _array(self, value: ArrayValue) -> Any:  # noqa: ANN401
        try:
            if isinstance(value.data, list) and not value.scalar:
                return self._later(value, live_arrays.object_array(value))
            return live_arrays.array_from(value, self._ready(value.dtype))
        except (ValueError, TypeError, OverflowError, AttributeError, MemoryError):
            return self._later(value, InertObject(value.class_name))

    def _plain(self, value: PlainValue) -> Any:  # noqa: ANN401
        if value.kind == live_arrays.NUMPY_DTYPE:
            try:
                return live_arrays.dtype_of(value, self._ready)
            except (ValueError, TypeError, OverflowError, IndexError, MemoryError):
                return InertObject(value.kind, args=(live_atom(value.fields[0]),))
        fields = tuple(self._ready(field) for field in value.fields)
        if value.kind.startswith("torch."):
            return self._tensors.plain(value.kind, fields)
        return plain_value(value.kind, fields)

    def _global(self, value: GlobalValue) -> Any:  # noqa: ANN401
        known = SAFE_TYPES.get(value.full_name)
        return InertObject(value.full_name, "GLOBAL") if known is None else known

    def _composite(self, value: CompositeTensor) -> Any:  # noqa: ANN401
        inside = {name: self._ready(item) for name, item in (*value.parts, *value.facts)}
        return self._tensors.composite(value, inside)

    def _tensor(self, value: TensorRef) -> Any:  # noqa: ANN401
        made = self._tensors.tensor(value)
        return made if value.attributes is None else self._later(value, made)

    def _storage(self, value: Storage) -> Any:  # noqa: ANN401
        return self._tensors.storage(value)

    def _later(self, value: Value, shell: Any) -> Any:  # noqa: ANN401
        self._unfilled.append((value, shell))
        return shell

    # Filling.

    def _fill_sequence(self, value: SequenceValue, shell: Any) -> None:  # noqa: ANN401
        if value.kind == "set":
            shell.update(self._key(item) for item in value.items)
        else:
            shell.extend(self._many(value.items))

    def _fill_mapping(self, value: MappingValue, shell: Any) -> None:  # noqa: ANN401
        for key, item in self._pairs(value.entries):
            shell[key] = item
        if value.attributes is not None and value.kind in ("OrderedDict", "Counter"):
            vars(shell).update(self._texts(value.attributes))

    def _fill_object(self, value: InertValue, shell: Any) -> None:  # noqa: ANN401
        if not isinstance(shell, InertObject):
            for mapping in value.attribute_mappings():
                vars(shell).update(self._texts(mapping))
            return
        states = self._many(value.states)
        args = self._many(value.args)
        if value.func is not None:
            args.insert(0, self._place(value.func))
        _set(shell, "args", tuple(args))
        _set(shell, "kwargs", self._place(value.kwargs))
        _set(shell, "state", states[0] if len(states) == 1 else tuple(states) or None)
        _set(shell, "items", tuple((self._place(k), self._place(v)) for k, v in value.entries))
        _set(shell, "members", tuple(self._many(value.appended)))

    def _fill_array(self, value: ArrayValue, shell: Any) -> None:  # noqa: ANN401
        items = self._many(value.data) if isinstance(value.data, list) else [value.data]
        if isinstance(shell, InertObject):
            _set(shell, "args", (value.shape, self._place(value.dtype), *items))
            return
        flat = shell.reshape(-1, order="F" if value.fortran else "C")
        for index, item in enumerate(items):
            flat[index] = item

    def _fill_tensor(self, value: TensorRef, shell: Any) -> None:  # noqa: ANN401
        if isinstance(value.attributes, MappingValue):
            state = value.attributes.find("(state)")
            if isinstance(state, SequenceValue) and state.items:
                state = state.items[0]  # (attributes, slots)
            if isinstance(state, MappingValue):
                self._tensors.attach(shell, self._texts(state))

    def _texts(self, value: MappingValue) -> dict[str, Any]:
        """Return the entries of attributes, whose names are texts."""
        return {key: item for key, item in self._pairs(value.entries) if type(key) is str}

    _MAKE: ClassVar[dict[type, Callable[..., Any]]] = {
        SequenceValue: _sequence,
        MappingValue: _mapping,
        PlainValue: _plain,
        GlobalValue: _global,
        ArrayValue: _array,
        InertValue: _object,
        CompositeTensor: _composite,
        TensorRef: _tensor,
        Storage: _storage,
    }
    _FILL: ClassVar[dict[type, Callable[..., None]]] = {
        SequenceValue: _fill_sequence,
        MappingValue: _fill_mapping,
        ArrayValue: _fill_array,
        InertValue: _fill_object,
        TensorRef: _fill_tensor,
    }


_UNCHANGING: Final = frozenset({"tuple", "frozenset", "torch.Size"})


def _inside(value: Value) -> list[Value]:
    """Return what must exist before a value can be made."""
    if isinstance(value, SequenceValue):
        return value.items if value.kind in _UNCHANGING else []
    if isinstance(value, PlainValue):
        if value.kind == live_arrays.NUMPY_DTYPE:
            return live_arrays.inner_dtypes(value)
        return list(value.fields)
    if isinstance(value, ArrayValue):
        return [value.dtype]
    if isinstance(value, CompositeTensor):
        return [item for _, item in (*value.parts, *value.facts)]
    return []


def _check_key(key: Value) -> None:
    seen = 0
    stack = [key]
    while stack:
        seen += 1
        if seen > MAX_KEY_PARTS:
            raise LimitError("MAX_KEY_PARTS", allowed=MAX_KEY_PARTS, found=seen)
        value = stack.pop()
        if isinstance(value, SequenceValue | PlainValue):
            stack += [item for _, item in children(value)]


def _set(value: InertObject, name: str, content: object) -> None:
    object.__setattr__(value, name, content)

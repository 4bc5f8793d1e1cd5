"""Random trees of values, with sharing and cycles, and checkpoints around them.

Nothing here uses the code under test, except that `contents` lists what is inside a value.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Checkpoint, Component, ComponentKind, Opened
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.tree_sharing import contents
from converter.checkpoint.values import (
    ArrayValue,
    CompositeTensor,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
    is_atom,
)
from converter.dtypes import BY_NAME
from converter.inert.nodes import ByteString

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

SEQUENCE_KINDS: Final = ("list", "tuple", "set", "frozenset", "deque", "torch.Size")
MAPPING_KINDS: Final = ("dict", "OrderedDict", "defaultdict", "Counter")
DTYPES: Final = ("float32", "int64", "bool", "complex64", "bfloat16", "uint8", "complex128")

_any_text = st.text(st.characters(), max_size=8)  # lone surrogates included
_repeatable = st.sampled_from(
    ["x" * 300, "\ud800\\" * 150, b"y" * 300, ByteString(b"y" * 300), 1 << 2000, -(1 << 2000)]
)
_float_of_bits = st.integers(0, 2**64 - 1).map(
    lambda bits: float(struct.unpack(">d", struct.pack(">Q", bits))[0])
)

texts: SearchStrategy[str] = _any_text | st.sampled_from(["a", "weight", "z" * 250, "\udc80"])

atoms: SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, 2**53 - 1, 2**53, -(2**53), 2**255, 2**256, -(10**99)]),
    st.floats(),
    _float_of_bits,
    st.sampled_from([0.0, -0.0, 1.0, 1e16, 1e22, 5e-324, 1.7976931348623157e308]),
    texts,
    st.binary(max_size=8),
    st.binary(max_size=8).map(ByteString),
    _repeatable,
)


@st.composite
def storages(draw: DrawFn) -> Storage:
    """A storage of up to 64 bytes, typed or not, either byte order."""
    dtype = BY_NAME[draw(st.sampled_from(DTYPES))] if draw(st.booleans()) else None
    nbytes = draw(st.integers(0, 4)) * (16 if dtype is None else dtype.itemsize)
    raw = draw(st.binary(min_size=nbytes, max_size=nbytes))
    return Storage(
        key=draw(texts),
        data=MemorySource(raw, "storage"),
        nbytes=nbytes,
        dtype=dtype,
        location=draw(st.sampled_from(["cpu", "cuda:0", "\ud800"])),
        big_endian=draw(st.booleans()),
    )


@st.composite
def tensors(draw: DrawFn, storage: Storage, attributes: SearchStrategy[Value]) -> TensorRef:
    """A view of a storage: any stride that stays inside."""
    dtype = storage.dtype or BY_NAME[draw(st.sampled_from(DTYPES))]
    numel = storage.nbytes // dtype.itemsize
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    stride = tuple(draw(st.integers(0, 2)) for _ in shape)
    span = sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
    if 0 in shape:
        offset = draw(st.integers(0, 9))
    elif span < numel:
        offset = draw(st.integers(0, numel - span - 1))
    else:
        shape, stride, offset = (numel,), (1,), 0
    return TensorRef(
        storage,
        dtype,
        shape,
        stride,
        offset,
        conj=dtype.is_complex and draw(st.booleans()),
        neg=dtype.name == "float32" and draw(st.booleans()),
        requires_grad=draw(st.booleans()),
        class_name=draw(st.sampled_from(["torch.Tensor", "torch.Parameter", "\ud800"])),
        attributes=draw(attributes),
    )


@st.composite
def value_trees(draw: DrawFn) -> Value:
    """A tree with sharing and cycles: containers first, then what they hold, anything anywhere."""
    pool: list[Value] = [
        *draw(st.lists(atoms, min_size=1, max_size=6)),
        *(_empty(draw) for _ in range(draw(st.integers(1, 6)))),
    ]
    open_ended = list(pool)

    def anything() -> SearchStrategy[Value]:
        return st.sampled_from(pool) | atoms

    for storage in draw(st.lists(storages(), max_size=2)):
        pool.append(storage)
        some = tensors(storage, st.none() | st.sampled_from(open_ended))
        pool += draw(st.lists(some, max_size=2))
    for _ in range(draw(st.integers(0, 5))):
        pool += [draw(_frozen(anything()))]  # the next one may hold this one
    for value in open_ended:
        _fill(draw, value, anything())
    return draw(st.sampled_from([value for value in pool if not is_atom(value)]))


def _empty(draw: DrawFn) -> Value:
    what = draw(st.integers(0, 2))
    if what == 0:
        kind = draw(st.sampled_from(SEQUENCE_KINDS))
        maxlen = draw(st.none() | st.integers(0, 2**60)) if kind == "deque" else None
        return SequenceValue(kind, [], maxlen)
    if what == 1:
        return MappingValue(draw(st.sampled_from(MAPPING_KINDS)))
    return InertValue(draw(texts), draw(st.sampled_from(["REDUCE", "NEWOBJ", "PERSISTENT"])))


@st.composite
def _frozen(draw: DrawFn, inside: SearchStrategy[Value]) -> Value:
    what = draw(st.integers(0, 3))
    if what == 0:
        kind = draw(st.sampled_from(["complex", "slice", "torch.dtype", "datetime.datetime"]))
        return PlainValue(kind, tuple(draw(st.lists(inside, max_size=3))))
    if what == 1:
        optional = st.none() | texts
        return GlobalValue(draw(texts), draw(texts), draw(optional), draw(optional))
    if what == 2:
        return ArrayValue(
            dtype=draw(inside),
            shape=tuple(draw(st.lists(st.integers(0, 2**64), max_size=3))),
            fortran=draw(st.booleans()),
            data=draw(st.binary(max_size=8) | st.just(b"w" * 300) | st.lists(inside, max_size=3)),
            scalar=draw(st.booleans()),
            class_name=draw(st.sampled_from(["numpy.ndarray", "numpy.matrix", "v" * 300])),
        )
    pairs = st.lists(st.tuples(texts, inside), max_size=3)
    return CompositeTensor(
        kind=draw(st.sampled_from(["sparse_coo", "quantized", "meta"])),
        dtype=draw(st.none() | st.sampled_from([BY_NAME[name] for name in DTYPES])),
        shape=draw(st.none() | st.lists(st.integers(0, 9), max_size=3).map(tuple)),
        parts=tuple(draw(pairs)),
        facts=tuple(draw(pairs)),
        requires_grad=draw(st.booleans()),
        class_name=draw(texts),
    )


def _fill(draw: DrawFn, value: Value, inside: SearchStrategy[Value]) -> None:
    some = st.lists(inside, max_size=4)
    pairs = st.lists(st.tuples(inside, inside), max_size=4)
    if isinstance(value, SequenceValue):
        value.items = draw(some)
    elif isinstance(value, MappingValue):
        value.entries = draw(pairs)
        value.factory = draw(st.none() | inside) if value.kind == "defaultdict" else None
        if draw(st.booleans()):
            value.attributes = MappingValue("dict", draw(pairs))
    elif isinstance(value, InertValue):
        value.func = draw(st.none() | inside)
        value.args = draw(some)
        value.kwargs = draw(st.none() | inside)
        value.states = draw(some)
        value.entries = draw(pairs)
        value.appended = draw(some)


def find_all(root: Value) -> list[Value]:
    """Return every value of a tree that is no atom, once, outermost first.

    A tensor's storage counts only where it stands in the tree by itself.
    """
    found: dict[int, Value] = {}
    stack = [root]
    while stack:
        value = stack.pop()
        if not is_atom(value) and id(value) not in found:
            found[id(value)] = value
            inside = [value.attributes] if isinstance(value, TensorRef) else contents(value)
            stack += reversed(inside)
    return list(found.values())


def checkpoint_of(root: Value, name: str = "/somewhere/run.pth") -> Checkpoint:
    """Return a checkpoint with a component of all tensors and one of the bare storages."""
    everything = find_all(root)
    tensors = [value for value in everything if isinstance(value, TensorRef)]
    bare = {id(value): value for value in everything if isinstance(value, Storage)}
    components = [
        _component("model", ComponentKind.MODEL, root, tensors),
        _component("storages", ComponentKind.EXTRA, None, [whole(s) for s in bare.values()]),
    ]
    source = MemorySource(b"any bytes", name)
    return Checkpoint(Opened(source, "zip", root=root), "bundle", tuple(components))


def _component(name: str, kind: ComponentKind, value: Value, tensors: list[TensorRef]) -> Component:
    named = {f"t{index}": tensor for index, tensor in enumerate(tensors)}
    return Component(name, kind, (name,), value, named)


def whole(storage: Storage) -> TensorRef:
    """Return a storage as a 1-D tensor: of its own dtype, or of bytes."""
    dtype = storage.dtype or BY_NAME["uint8"]
    return TensorRef(storage, dtype, (storage.nbytes // dtype.itemsize,), (1,), 0)


def element_bytes(tensor: TensorRef) -> bytes:
    """Return the elements in row-major order, little-endian, conj and neg applied."""
    storage, dtype = tensor.storage, tensor.dtype
    if storage.data is None:
        return b""
    raw = storage.data.read_at(0, storage.nbytes)
    elements = []
    for index in itertools.product(*(range(size) for size in tensor.shape)):
        start = tensor.offset + sum(i * step for i, step in zip(index, tensor.stride, strict=True))
        element = raw[start * dtype.itemsize : (start + 1) * dtype.itemsize]
        halves = [element[at : at + dtype.swap] for at in range(0, dtype.itemsize, dtype.swap)]
        if storage.big_endian:
            halves = [half[::-1] for half in halves]
        if tensor.conj:
            halves[1] = _negated(halves[1])
        if tensor.neg:
            halves = [_negated(half) for half in halves]
        elements.append(b"".join(halves))
    return b"".join(elements)


def _negated(number: bytes) -> bytes:
    return number[:-1] + bytes([number[-1] ^ 0x80])

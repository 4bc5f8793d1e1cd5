"""The arrays behind joblib's wrappers: what they are and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.byteio.source import WindowSource
from converter.errors import FormatError, PickleError
from converter.inert.machine import read_graph
from converter.inert.nodes import DictNode
from converter.readers.persistent_storages import no_blobs
from converter.readers.raw_arrays import has_objects, nbytes_of, windowed_array
from converter.readers.rebuild import BUILDERS, NAMES, NotThisShapeError, Rebuilder
from converter.readers.rebuild.numpy_values import dtype_description
from converter.readers.rebuild.torch_tensors import sizes_of

if TYPE_CHECKING:
    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import PlainValue, Value
    from converter.inert.nodes import CallNode, Graph, Node, PersistentNode
    from converter.limits import Limits

# A structured dtype has a few nodes for each of its fields.
_MAX_DTYPE_NODES: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a wrapper's dict says of its array.

    Attributes:
        description: the inert dtype.
        shape: sizes.
        fortran: whether the elements are in column-major order.
        padded: whether a byte that counts padding comes first.
        class_name: the class of the array.
    """

    description: PlainValue
    shape: tuple[int, ...]
    fortran: bool
    padded: bool
    class_name: str


@dataclass(frozen=True, slots=True)
class ArrayPlace:
    """Where the elements of one array lie.

    Attributes:
        facts: what they are.
        offset: absolute position of the first, in bytes.
        nbytes: their length.
        nested: the pickle that stands there instead, for an array of objects.
    """

    facts: _Facts
    offset: int
    nbytes: int
    nested: Graph | None = None


def place_of(source: ByteSource, call: CallNode, offset: int, limits: Limits) -> ArrayPlace:
    """Return where the array of a wrapper lies, whose BUILD ends at `offset`.

    Raises:
        FormatError: the array has no size that can be known, or lies outside the file.
    """
    try:
        facts = _facts(call, limits)
    except NotThisShapeError:
        raise PickleError(
            "joblib array of unknown size",
            offset=offset,
            expected="subclass, shape, order and dtype in the wrapper's dict",
            found="something else",
        ) from None
    if has_objects(facts.description):
        graph = read_graph(source, start=offset, limits=limits)
        return ArrayPlace(facts, offset, graph.stop - offset, graph)
    return _raw_place(source, facts, offset, limits)


def _raw_place(source: ByteSource, facts: _Facts, offset: int, limits: Limits) -> ArrayPlace:
    start = offset
    try:
        nbytes = nbytes_of(facts.description, facts.shape, limits)
    except FormatError as error:
        error.offset = offset
        raise
    if facts.padded and offset < source.nbytes:
        start += 1 + source.read_at(offset, 1)[0]
    left = source.nbytes - start
    if nbytes > left:
        raise PickleError(
            "joblib array is truncated",
            offset=offset,
            expected=f"{nbytes} bytes from {start}",
            found=f"{max(0, left)}, {nbytes - left} are missing",
            code="pickle_truncated",
        )
    return ArrayPlace(facts, start, nbytes)


def built_array(
    source: ByteSource,
    call: CallNode,
    place: ArrayPlace | None,
    rebuilder: Rebuilder,
    limits: Limits,
) -> Value:
    """Return the array that a wrapper stands for; `place` is None where none was found.

    Raises:
        NotThisShapeError: the wrapper is used otherwise than joblib does.
    """
    if place is None or call.entries or call.appended or len(call.states or ()) != 1:
        raise NotThisShapeError
    if place.nested is not None:
        return rebuilder.convert(place.nested.root)
    facts = place.facts
    name = f"{source.name}!array at {place.offset}"
    return windowed_array(
        WindowSource(source, place.offset, place.nbytes, name),
        facts.description,
        facts.shape,
        limits,
        fortran=facts.fortran,
        class_name=facts.class_name,
    )


def _facts(call: CallNode, limits: Limits) -> _Facts:
    """Return what the dict of a wrapper says.

    Raises:
        NotThisShapeError: something that is needed is missing, or of another kind.
    """
    state = call.states[0] if call.states else None
    if not isinstance(state, DictNode):
        raise NotThisShapeError
    pairs = zip(state.items[::2], state.items[1::2], strict=False)
    facts: dict[str, Node] = {key: value for key, value in pairs if isinstance(key, str)}
    if not {"subclass", "shape", "order", "dtype"} <= facts.keys():
        raise NotThisShapeError
    rebuilder = _alone(limits._replace(max_values=min(limits.max_values, _MAX_DTYPE_NODES)))
    rebuilder.value_of(facts["dtype"])
    subclass = rebuilder.name_of(facts["subclass"])
    if subclass is None or facts["order"] not in ("C", "F"):
        raise NotThisShapeError
    return _Facts(
        description=dtype_description(facts["dtype"], rebuilder),
        shape=sizes_of(facts["shape"], rebuilder),
        fortran=facts["order"] == "F",
        padded=facts.get("numpy_array_alignment_bytes") is not None,
        class_name=".".join(subclass),
    )


def _alone(limits: Limits) -> Rebuilder:
    """Return a rebuilder for one dtype, which refers to nothing outside its own nodes."""
    return Rebuilder(
        record="array",
        protocol=None,
        builders=BUILDERS,
        names=NAMES,
        resolve=_refuse_id,
        read_blob=no_blobs,
        limits=limits,
    )


def _refuse_id(_: PersistentNode, __: Rebuilder) -> Value:
    raise NotThisShapeError

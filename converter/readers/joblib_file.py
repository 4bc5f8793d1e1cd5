"""Reads what joblib adds to a pickle: raw arrays between the opcodes.

joblib/numpy_pickle.py: an array is pickled as a ``NumpyArrayWrapper`` with a dict of its facts,
and right behind the BUILD that gives it the dict come, outside the pickle,

- for an array of objects: another pickle, of the array itself;
- for any other: one byte p and p bytes of padding (absent before joblib 1.2), then the elements
  in the order and with the dtype that the dict names.

The elements stay where they are: a tensor is a window of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from converter.byteio.source import WindowSource
from converter.errors import FormatError, PickleError
from converter.inert.machine import read_graph
from converter.inert.nodes import DictNode, GlobalNode
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

# scikit-learn carried a copy of joblib until 0.23.
MODULES: Final = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
WRAPPER: Final = "NumpyArrayWrapper"
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
class _Place:
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


class RawArrays:
    """The arrays of one joblib file, found while its pickle is read.

    Attributes:
        nested: (label, pickle) of every array of objects.
    """

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        """Look for arrays in `source`."""
        self.nested: list[tuple[str, Graph]] = []
        self._source: Final = source
        self._limits: Final = limits
        self._places: Final[dict[int, _Place]] = {}

    @property
    def count(self) -> int:
        """How many arrays were found."""
        return len(self._places)

    def after_build(self, call: CallNode, offset: int) -> int:
        """Step over the array behind the BUILD of a wrapper; any other BUILD changes nothing.

        Raises:
            FormatError: the array has no size that can be known, lies outside the file, or is
                a pickle that is broken.
        """
        if not is_wrapper(call.func) or id(call) in self._places:
            return offset  # after a second BUILD of one wrapper comes no array; joblib fails there
        try:
            facts = _facts(call, self._limits)
        except NotThisShapeError:
            raise PickleError(
                "joblib array of unknown size",
                offset=offset,
                expected="subclass, shape, order and dtype in the wrapper's dict",
                found="something else",
            ) from None
        place = self._place(facts, offset)
        self._places[id(call)] = place
        return place.offset + place.nbytes

    def _place(self, facts: _Facts, offset: int) -> _Place:
        if has_objects(facts.description):
            graph = read_graph(self._source, start=offset, limits=self._limits)
            self.nested.append((f"array at {offset}", graph))
            if graph.error is not None:
                raise graph.error
            return _Place(facts, offset, graph.stop - offset, graph)
        start = offset
        try:
            nbytes = nbytes_of(facts.description, facts.shape, self._limits)
        except FormatError as error:
            error.offset = offset
            raise
        if facts.padded and offset < self._source.nbytes:
            start += 1 + self._source.read_at(offset, 1)[0]
        left = self._source.nbytes - start
        if nbytes > left:
            raise PickleError(
                "joblib array is truncated",
                offset=offset,
                expected=f"{nbytes} bytes from {start}",
                found=f"{max(0, left)}, {nbytes - left} are missing",
                code="pickle_truncated",
            )
        return _Place(facts, start, nbytes)

    def build(self, call: CallNode, rebuilder: Rebuilder) -> Value:
        """Return the array that a wrapper stands for."""
        place = self._places.get(id(call))
        if place is None or call.entries or call.appended or len(call.states or ()) != 1:
            raise NotThisShapeError
        if place.nested is not None:
            return rebuilder.convert(place.nested.root)
        facts = place.facts
        name = f"{self._source.name}!array at {place.offset}"
        return windowed_array(
            WindowSource(self._source, place.offset, place.nbytes, name),
            facts.description,
            facts.shape,
            self._limits,
            fortran=facts.fortran,
            class_name=facts.class_name,
        )


def is_wrapper(func: Node) -> bool:
    """Return whether a call of `func` makes joblib's stand-in for an array."""
    return isinstance(func, GlobalNode) and func.name == WRAPPER and func.module in MODULES


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
    rebuilder = _alone(replace(limits, max_values=min(limits.max_values, _MAX_DTYPE_NODES)))
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

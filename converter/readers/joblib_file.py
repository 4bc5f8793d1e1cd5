"""Reads what joblib adds to a pickle: raw arrays between the opcodes.

joblib/numpy_pickle.py: an array is pickled as a ``NumpyArrayWrapper`` with a dict of its facts,
and right behind the BUILD that gives it the dict come, outside the pickle,

- for an array of objects: another pickle, of the array itself;
- for any other: one byte p and p bytes of padding (absent before joblib 1.2), then the elements
  in the order and with the dtype that the dict names.

The elements stay where they are: a tensor is a window of the file.
"""

from __future__ import annotations

from converter.inert.nodes import GlobalNode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.checkpoint.values import Value
    from converter.inert.nodes import CallNode, Graph, Node
    from converter.limits import Limits
    from converter.readers.joblib_arrays import ArrayPlace
    from converter.readers.rebuild.rebuilder import Rebuilder

# scikit-learn carried a copy of joblib until 0.23.
MODULES: Final = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
WRAPPER: Final = "NumpyArrayWrapper"


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
        self._places: Final[dict[int, ArrayPlace]] = {}

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
        # Every plain pickle is looked at for wrappers, and few have one.
        from converter.readers.joblib_arrays import place_of

        place = place_of(self._source, call, offset, self._limits)
        if place.nested is not None:
            self.nested.append((f"array at {offset}", place.nested))
            if place.nested.error is not None:
                raise place.nested.error
        self._places[id(call)] = place
        return place.offset + place.nbytes

    def build(self, call: CallNode, rebuilder: Rebuilder) -> Value:
        """Return the array that a wrapper stands for."""
        from converter.readers.joblib_arrays import built_array

        return built_array(self._source, call, self._places.get(id(call)), rebuilder, self._limits)


def is_wrapper(func: Node) -> bool:
    """Return whether a call of `func` makes joblib's stand-in for an array."""
    return isinstance(func, GlobalNode) and func.name == WRAPPER and func.module in MODULES

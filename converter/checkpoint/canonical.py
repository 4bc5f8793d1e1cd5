"""The canonical checkpoint: named components over one tree of values."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex, overload

from converter.errors import DepickleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from converter.anomaly import Anomaly
    from converter.byteio.source import ByteSource
    from converter.checkpoint.module_facts import ModuleFacts
    from converter.checkpoint.storage import Storage
    from converter.checkpoint.tensor import TensorRef
    from converter.checkpoint.values import CompositeTensor, Value
    from converter.inert.nodes import Graph


class ComponentKind(StrEnum):
    """What a component is for."""

    MODEL = "model"
    OPTIMIZER = "optimizer"
    SCHEDULER = "scheduler"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """One named part of a checkpoint.

    Attributes:
        name: unique within the checkpoint; the first part of its tensors' full names.
        kind: what it is for.
        path: where it stood in the source's tree, outermost key first.
        value: that part of the tree.
        tensors: name inside the component → tensor, in the order of the source.
        composites: name inside the component → tensor that torch keeps as several (sparse,
            quantised, …) or without data (meta); its parts stand in `tensors` as ``name.part``.
        class_name: the class it was pickled as, if it was an object.
        module: of a model that was pickled as a whole object, how its names were recovered.
    """

    name: str
    kind: ComponentKind
    path: tuple[str, ...]
    value: Value
    tensors: dict[str, TensorRef]
    composites: dict[str, CompositeTensor] = field(default_factory=dict)
    class_name: str | None = None
    module: ModuleFacts | None = None

    @property
    def nbytes(self) -> int:
        """Return the bytes of all its tensors in contiguous form."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


class Components(tuple[Component, ...]):
    """The components of a checkpoint: in the order of the source, and by name like a dict."""

    __slots__ = ()

    @overload
    def __getitem__(self, key: str) -> Component: ...

    @overload
    def __getitem__(self, key: SupportsIndex) -> Component: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[Component, ...]: ...

    def __getitem__(self, key: str | SupportsIndex | slice) -> Component | tuple[Component, ...]:
        """Return the component of a name, or as a tuple does.

        Raises:
            KeyError: there is none of that name.
        """
        if not isinstance(key, str):
            return super().__getitem__(key)
        for component in self:
            if component.name == key:
                return component
        raise KeyError(key)

    def keys(self) -> list[str]:
        """Return the names, in order."""
        return [component.name for component in self]

    def values(self) -> list[Component]:
        """Return the components, in order."""
        return list(self)

    def items(self) -> list[tuple[str, Component]]:
        """Return (name, component), in order."""
        return [(component.name, component) for component in self]


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know about how the input was understood.

    Attributes:
        code: a stable name in snake_case.
        text: one sentence.
    """

    code: str
    text: str


class Origin(NamedTuple):
    """The source that a converted file was made from, as its document has it.

    Attributes:
        container: which kind of file it was.
        nbytes: its length.
    """

    container: str
    nbytes: int


@dataclass(slots=True, eq=False)
class Opened:
    """What a reader found, before it is given the canonical form.

    Attributes:
        source: the input.
        container: which kind of file (``zip``, ``legacy``, ``tar``, …).
        writer: what is known of who wrote it, for people (``torch 1.6 to 1.12``), or None.
        root: the value the file holds.
        graphs: (record name, pickle) of every pickle that was read.
        storages: every storage of the container, referenced or not.
        anomalies: what was odd.
        notes: what a person should know.
        error: why reading ended early; the rest holds what was understood until then.
        origin: of a converted file whose document gave `root`, what it was made from.
    """

    source: ByteSource
    container: str
    writer: str | None = None
    root: Value = None
    graphs: list[tuple[str, Graph]] = field(default_factory=list)
    storages: list[Storage] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    error: DepickleError | None = None
    origin: Origin | None = None


@dataclass(slots=True, eq=False)
class Checkpoint:
    """A checkpoint in canonical form, by reference: no tensor has been read.

    Attributes:
        opened: what the reader found.
        style: ``tensor``, ``state_dict``, ``bundle``, ``multi_model``, ``nested``, ``module``,
            ``object``, ``values``, ``optimizer``, ``scheduler``.
        components: in the order of the source; ``components["model"]`` finds one by name.
        bare: whether the tensors keep their own names in a single output file (a lone
            state_dict), rather than ``component.name``.
        layout: the framework layout that was recognised, or None.
        notes: what a person should know about how it was understood.
        views: of a conversion: tensor → the view of its storage that it was in the source, by
            which a further conversion describes it.
        rejoin: of a conversion: returns the checkpoint with its tensors as views of storages
            again, as they were saved; None where they are that already.
    """

    opened: Opened
    style: str
    parts: InitVar[Iterable[Component]]
    bare: bool = False
    layout: str | None = None
    notes: tuple[Note, ...] = ()
    views: Mapping[TensorRef, TensorRef] = field(default_factory=dict)
    rejoin: Callable[[], Checkpoint] | None = None
    components: Components = field(init=False)
    _as_saved: Checkpoint | None = field(init=False, default=None)

    def __post_init__(self, parts: Iterable[Component]) -> None:
        """Make the components findable by name."""
        self.components = Components(parts)

    @property
    def source(self) -> ByteSource:
        """Return the input."""
        return self.opened.source

    def as_saved(self) -> Checkpoint:
        """Return the checkpoint with its tensors in storages as they were saved, for the way back.

        A conversion holds every tensor by itself and row-major; this one shares memory where the
        source did and has its strides, as far as the bytes are there.

        Raises:
            SourceError: the input cannot be read.
        """
        if self._as_saved is None:
            self._as_saved = self if self.rejoin is None else self.rejoin()
        return self._as_saved

    def state_dict(self, name: str) -> dict[str, Any]:
        """Return the tensors of a component by their names in it, live.

        With torch they are ``torch.Tensor`` on the CPU, else ``numpy.ndarray``; as in a
        ``state_dict()`` none is a parameter or wants gradients. Those that shared a storage share
        memory. Bytes that lie plainly in a local file are mapped, privately: writing to a tensor
        changes memory, never the file. They outlive `close`.

        Args:
            name: the component's name, as in `components`.

        Raises:
            PlanError: there is no such component.
            TensorError: the bytes of a tensor were left out of this file, or never saved.
            UnsupportedError: what is installed here has no such element type.
            SourceError: the input cannot be read.
        """
        from converter.checkpoint.live import live_state_dict

        return live_state_dict(self.as_saved(), name)

    def to_python(self) -> Any:  # noqa: ANN401 - whatever was saved
        """Return what was saved, in its original nesting, as live objects.

        Dicts, lists, tuples, sets, numbers, texts, dates, paths, numpy arrays and torch's own
        values come back as what they were, keys keep their types, and what was one object is one
        object. Tensors are as in `state_dict`, but parameters are ``torch.nn.Parameter``. An
        object of any other class is an `InertObject`: its name and what it held. No class is
        imported and nothing from the file is called.

        Raises:
            FormatError: a tuple contains itself, or a key of a dict cannot be one; the input
                could only be read in part.
            TensorError, UnsupportedError, SourceError: as in `state_dict`.
        """
        from converter.checkpoint.live import live_tree

        return live_tree(self.as_saved())

    def close(self) -> None:
        """Close the input; tensors cannot be read afterwards."""
        self.opened.source.close()

    def tensors(self) -> dict[str, TensorRef]:
        """Return every tensor under its full name: bare, or ``component.name``."""
        found: dict[str, TensorRef] = {}
        for component in self.components:
            for name, tensor in component.tensors.items():
                found[self.full_name(component, name)] = tensor
        return found

    def full_name(self, component: Component, name: str) -> str:
        """Return the name a tensor has in a single output file."""
        if self.bare:
            return name
        return f"{component.name}.{name}" if name else component.name

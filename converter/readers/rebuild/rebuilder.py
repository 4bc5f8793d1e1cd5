"""From inert nodes to values: what the graph would have built, without building any of it.

Containers become shells that a work list fills, so neither depth nor cycles of the graph reach
Python's own stack. Calls go to builders, one per known name; a call that no builder knows, or
whose arguments do not fit, becomes an `InertValue` that holds everything it was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from converter.anomaly import Anomaly
from converter.checkpoint.values import (
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.errors import FormatError, LimitError
from converter.inert.names import canonical_name
from converter.inert.nodes import (
    ATOMS,
    BufferNode,
    ByteArrayNode,
    CallNode,
    DictNode,
    ExtensionNode,
    GlobalNode,
    ListNode,
    Node,
    PersistentNode,
    SetNode,
    TupleNode,
)
from converter.readers.rebuild.dict_keys import identity_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from converter.limits import Limits

    Builder: TypeAlias = Callable[[CallNode, "Rebuilder"], Value]
    PersistentResolver: TypeAlias = Callable[[PersistentNode, "Rebuilder"], Value]
    BlobReader: TypeAlias = Callable[[bytes, int], Value]


class NotThisShapeError(Exception):
    """A builder's way to say that a call is not what its name promises."""


class Rebuilder:
    """Turns the nodes of one pickle into values; one per graph.

    Attributes:
        record: the record the graph stands in, for messages.
        limits: the caps in force.
        anomalies: what was odd while rebuilding.
        problems: errors that cost a value; the value is then kept as an inert record.
    """

    def __init__(  # noqa: PLR0913 - one place wires what the readers of each container know
        self,
        *,
        record: str,
        protocol: int | None,
        builders: Mapping[tuple[str, str], Builder],
        names: Mapping[tuple[str, str], Value],
        resolve: PersistentResolver,
        read_blob: BlobReader,
        limits: Limits,
    ) -> None:
        """Prepare for a graph of `record`.

        Args:
            record: name for messages.
            protocol: the pickle's protocol, which decides how Python 2 names are read.
            builders: canonical (module, name) → builder of calls.
            names: canonical (module, name) → value of a bare global (a dtype, …).
            resolve: gives persistent ids their meaning in this container.
            read_blob: reads the legacy stream inside a ``_load_from_bytes`` operand.
            limits: the caps in force.
        """
        self.record: Final = record
        self.limits: Final = limits
        self.read_blob: Final = read_blob
        self.anomalies: list[Anomaly] = []
        self.problems: list[FormatError] = []
        self._protocol: Final = protocol
        self._builders: Final = builders
        self._names: Final = names
        self._resolve: Final = resolve
        # By the nodes themselves, which have no equality but identity: their `id`, a number of its
        # own for each, would take twice as long, and not keep them from being freed.
        self._memo: dict[Node, Value] = {}
        self._by_func: dict[GlobalNode, Builder] = {}
        self._pending: list[tuple[Callable[[Value, Node], None], Value, Node]] = []
        self._depth = 0

    def value_of(self, root: Node) -> Value:
        """Return the value of a whole graph.

        Raises:
            LimitError: the tree has more nodes than `Limits.max_values`.
        """
        value = self.convert(root)
        pending = self._pending
        while pending:
            fill, shell, node = pending.pop()
            fill(shell, node)
            if len(self._memo) > self.limits.max_values:
                raise LimitError(
                    "max_values",
                    allowed=self.limits.max_values,
                    found=len(self._memo),
                    record=self.record,
                )
        return value

    def convert(self, node: Node) -> Value:
        """Return the value of one node; containers are filled later, by `value_of`."""
        kind = type(node)
        if kind in ATOMS:
            return node  # type: ignore[return-value]
        known = self._memo.get(node)
        if known is not None:
            return known
        value = self._memo[node] = self._shells[kind](self, node)
        return value

    def defer(self, fill: Callable[[Value, Node], None], shell: Value, node: Node) -> None:
        """Have `fill(shell, node)` called once the current value stands."""
        self._pending.append((fill, shell, node))

    def name_of(self, node: Node) -> tuple[str, str] | None:
        """Return the canonical (module, name) of a global, or None for any other node."""
        if type(node) is GlobalNode:
            return canonical_name(node.module, node.name, self._protocol)
        if isinstance(node, PersistentNode):
            value = self.convert(node)
            if isinstance(value, GlobalValue):
                return (value.module, value.name)
        return None

    def items_of(self, node: Node) -> list[Node]:
        """Return the members of a tuple or list node.

        Raises:
            NotThisShapeError: it is something else.
        """
        if isinstance(node, (TupleNode, ListNode)):
            return node.items
        raise NotThisShapeError

    def observe(self, code: str, detail: str, offset: int | None) -> None:
        """Note something odd."""
        self.anomalies.append(Anomaly(code, detail, offset=offset, record=self.record))

    def fill_entries(self, flat: list[Node]) -> list[tuple[Value, Value]]:
        """Return flat keys and values as entries, a repeated key taking the last value."""
        convert = self.convert
        keys = flat[: len(flat) - 1 : 2]
        if all(type(key) is str for key in keys) and len(set(keys)) == len(keys):
            return list(zip(keys, map(convert, flat[1::2]), strict=True))  # type: ignore[arg-type]
        entries: list[tuple[Value, Value]] = []
        places: dict[object, int] = {}
        for position in range(0, len(flat) - 1, 2):
            node = flat[position]
            key = node if type(node) is str else convert(node)
            value = convert(flat[position + 1])
            same = key if type(key) is str else identity_of_key(key)
            place = places.setdefault(same, len(entries))
            if place == len(entries):
                entries.append((key, value))
            else:
                entries[place] = (entries[place][0], value)
        return entries

    def inert(self, call: CallNode) -> InertValue:
        """Return a call as an inert record, to be filled later."""
        name = self.name_of(call.func)
        value = InertValue(".".join(name) if name else "(computed)", call.opcode)
        self.defer(self._fill_inert, value, call)
        return value

    # Shells, one per node type.

    def _list(self, node: Node) -> Value:
        value = SequenceValue("list", [])
        self.defer(self._fill_sequence, value, node)
        return value

    def _tuple(self, node: Node) -> Value:
        value = SequenceValue("tuple", [])
        self.defer(self._fill_sequence, value, node)
        return value

    def _set(self, node: Node) -> Value:
        assert isinstance(node, SetNode)
        value = SequenceValue("frozenset" if node.frozen else "set", [])
        self.defer(self._fill_sequence, value, node)
        return value

    def _dict(self, node: Node) -> Value:
        value = MappingValue("dict")
        self.defer(self._fill_dict, value, node)
        return value

    def _bytearray(self, node: Node) -> Value:
        assert isinstance(node, ByteArrayNode)
        return PlainValue("bytearray", (node.value,))

    def _global(self, node: Node) -> Value:
        name = self.name_of(node)
        assert name is not None
        return self._names.get(name) or GlobalValue(*name)

    def _extension(self, node: Node) -> Value:
        assert isinstance(node, ExtensionNode)
        return InertValue(f"copyreg extension {node.code}", "EXTENSION")

    def _buffer(self, node: Node) -> Value:
        assert isinstance(node, BufferNode)
        self.observe("buffer_outside", "the pickle expects a buffer from outside", node.offset)
        return InertValue("out-of-band buffer", "BUFFER")

    def _persistent(self, node: Node) -> Value:
        assert type(node) is PersistentNode
        try:
            value = self._resolve(node, self)
        except NotThisShapeError:
            self.observe("persistent_id_unknown", "a persistent id of no known form", node.offset)
        except FormatError as error:
            self._problem(error, node.offset)
        else:
            if not (node.states and isinstance(value, InertValue)):
                return value
        inert = InertValue("persistent id", "PERSISTENT")
        self.defer(self._fill_persistent, inert, node)
        return inert

    def _call(self, node: Node) -> Value:
        assert type(node) is CallNode
        func = node.func
        builder = self._by_func.get(func) if type(func) is GlobalNode else None
        if builder is None:
            builder = self._builder_of(func)
        if builder is None:
            return self.inert(node)
        if self._depth >= self.limits.max_call_depth:
            detail = f"{self._spelled(func)} not followed"
            self.observe("calls_nested_deeply", detail, node.offset)
            return self.inert(node)
        self._depth += 1
        try:
            return builder(node, self)
        except NotThisShapeError:
            detail = f"arguments of {self._spelled(func)} are not what it takes"
            self.observe("call_of_another_shape", detail, node.offset)
        except FormatError as error:
            self._problem(error, node.offset)
        finally:
            self._depth -= 1
        return self.inert(node)

    def _builder_of(self, func: Node) -> Builder | None:
        """Return the builder of what is called; a name is looked up once for all its calls."""
        name = self.name_of(func)
        builder = self._builders.get(name) if name else None
        if builder is not None and type(func) is GlobalNode:
            self._by_func[func] = builder
        return builder

    def _spelled(self, func: Node) -> str:
        return ".".join(self.name_of(func) or ())

    def _problem(self, error: FormatError, offset: int) -> None:
        if error.record is None:
            error.record = self.record
        if error.offset is None:
            error.offset = offset
        self.problems.append(error)

    # Fills, one per shell.

    def _fill_sequence(self, shell: Value, node: Node) -> None:
        assert isinstance(shell, SequenceValue)
        assert isinstance(node, (ListNode, TupleNode, SetNode))
        shell.items.extend(map(self.convert, node.items))

    def _fill_dict(self, shell: Value, node: Node) -> None:
        assert isinstance(shell, MappingValue)
        assert isinstance(node, DictNode)
        shell.entries = self.fill_entries(node.items)

    def _fill_inert(self, shell: Value, node: Node) -> None:
        assert isinstance(shell, InertValue)
        assert isinstance(node, CallNode)
        convert = self.convert
        if self.name_of(node.func) is None:
            shell.func = convert(node.func)
        if isinstance(node.args, (TupleNode, ListNode)):
            shell.args.extend(map(convert, node.args.items))
        else:
            shell.args.append(convert(node.args))
        shell.kwargs = convert(node.kwargs)
        shell.states.extend(map(convert, node.states or ()))
        shell.appended.extend(map(convert, node.appended or ()))
        shell.entries = self.fill_entries(node.entries or [])

    def _fill_persistent(self, shell: Value, node: Node) -> None:
        assert isinstance(shell, InertValue)
        assert isinstance(node, PersistentNode)
        shell.args.append(self.convert(node.pid))
        shell.states.extend(map(self.convert, node.states or ()))

    # The exact type of a node chooses its shell.
    _shells: ClassVar[dict[type, Callable[[Rebuilder, Node], Value]]] = {
        ListNode: _list,
        TupleNode: _tuple,
        SetNode: _set,
        DictNode: _dict,
        ByteArrayNode: _bytearray,
        GlobalNode: _global,
        ExtensionNode: _extension,
        BufferNode: _buffer,
        PersistentNode: _persistent,
        CallNode: _call,
    }

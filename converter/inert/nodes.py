"""What a pickle stream describes, as data: nodes that hold names and never the things named.

None, bool, int, float, str and bytes of the stream stand for themselves. Everything with an
identity or an effect is a node. Identity is kept: what the stream shares by memo is one node
here, and a stream that refers to itself gives a cyclic graph. Nothing in this module compares,
hashes or walks nodes by their content: nesting is as deep as the stream likes, and Python's own
comparison of nested containers recurses.

`offset` is the position of the opcode that made the node, in bytes from the start of the record.
"""

from __future__ import annotations

from types import MappingProxyType

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from converter.anomaly import Anomaly
    from converter.errors import FormatError


class ByteString(bytes):
    """A Python 2 ``str`` (STRING, BINSTRING, SHORT_BINSTRING): bytes of unknown encoding."""

    __slots__ = ()


class ListNode:
    """EMPTY_LIST or LIST, with what APPEND and APPENDS put into it."""

    __slots__ = ("items", "offset")

    def __init__(self, offset: int, items: list[Node]) -> None:
        """Take ownership of `items`."""
        self.offset = offset
        self.items = items


class TupleNode:
    """Any of the tuple opcodes."""

    __slots__ = ("items", "offset")

    def __init__(self, offset: int, items: list[Node]) -> None:
        """Take ownership of `items`."""
        self.offset = offset
        self.items = items


class DictNode:
    """EMPTY_DICT or DICT; `items` is flat: key, value, key, value, …, in stream order.

    A repeated key stands twice: which one counts is the reader's business.
    """

    __slots__ = ("items", "offset")

    def __init__(self, offset: int, items: list[Node]) -> None:
        """Take ownership of `items`."""
        self.offset = offset
        self.items = items


class SetNode:
    """EMPTY_SET with ADDITEMS, or FROZENSET; repeated members are kept."""

    __slots__ = ("frozen", "items", "offset")

    def __init__(self, offset: int, items: list[Node], *, frozen: bool) -> None:
        """Take ownership of `items`."""
        self.offset = offset
        self.items = items
        self.frozen = frozen


class ByteArrayNode:
    """BYTEARRAY8: mutable bytes, hence with an identity."""

    __slots__ = ("offset", "value")

    def __init__(self, offset: int, value: bytes) -> None:
        """Hold the bytes of the opcode."""
        self.offset = offset
        self.value = value


class GlobalNode:
    """A name: GLOBAL, STACK_GLOBAL or INST; two strings as the stream spells them, unresolved."""

    __slots__ = ("module", "name", "offset")

    def __init__(self, offset: int, module: str, name: str) -> None:
        """Hold the two strings."""
        self.offset = offset
        self.module = module
        self.name = name


class ExtensionNode:
    """EXT1, EXT2 or EXT4: a name kept in the process-wide copyreg registry, unknowable here."""

    __slots__ = ("code", "offset")

    def __init__(self, offset: int, code: int) -> None:
        """Hold the registry code."""
        self.offset = offset
        self.code = code


class PersistentNode:
    """PERSID or BINPERSID: something outside the pickle, named by `pid`."""

    __slots__ = ("offset", "pid", "states")

    def __init__(self, offset: int, pid: Node) -> None:
        """Hold the persistent id: str for PERSID, any node for BINPERSID."""
        self.offset = offset
        self.pid = pid
        self.states: list[Node] | None = None


class BufferNode:
    """NEXT_BUFFER: bytes handed over outside the pickle; `readonly` after READONLY_BUFFER."""

    __slots__ = ("offset", "readonly")

    def __init__(self, offset: int) -> None:
        """Start writable, as the opcode does."""
        self.offset = offset
        self.readonly = False


class CallNode:
    """A call the unpickler would have made, and what it would then have done to the result.

    Attributes:
        offset: position of the opcode that makes the call.
        opcode: ``REDUCE``, ``NEWOBJ``, ``NEWOBJ_EX``, ``INST`` or ``OBJ``.
        func: what would be called; a GlobalNode in honest streams, but any node is possible.
        args: the positional arguments; a TupleNode in honest streams.
        kwargs: keyword arguments of NEWOBJ_EX, else None.
        states: operands of BUILD on the result, in order; None when there was none.
        entries: flat keys and values of SETITEM(S) on the result; None when there were none.
        appended: items of APPEND(S) and ADDITEMS on the result; None when there were none.
    """

    __slots__ = ("appended", "args", "entries", "func", "kwargs", "offset", "opcode", "states")

    def __init__(self, offset: int, opcode: str, func: Node, args: Node) -> None:
        """Start without keyword arguments, states, entries or appended items."""
        self.offset = offset
        self.opcode = opcode
        self.func = func
        self.args = args
        self.kwargs: Node = None
        self.states: list[Node] | None = None
        self.entries: list[Node] | None = None
        self.appended: list[Node] | None = None


Node: TypeAlias = (
    bool
    | int
    | float
    | str
    | bytes
    | ListNode
    | TupleNode
    | DictNode
    | SetNode
    | ByteArrayNode
    | GlobalNode
    | ExtensionNode
    | PersistentNode
    | BufferNode
    | CallNode
    | None
)

ATOMS = frozenset({type(None), bool, int, float, str, bytes, ByteString})
"""The exact types of nodes that are plain values without identity."""

_KINDS: Final = MappingProxyType(
    {
        type(None): "none",
        ByteString: "byte_string",
        ListNode: "list",
        TupleNode: "tuple",
        DictNode: "dict",
        SetNode: "set",
        ByteArrayNode: "bytearray",
        GlobalNode: "global",
        ExtensionNode: "extension",
        PersistentNode: "persistent",
        BufferNode: "buffer",
        CallNode: "call",
    }
)


def kind_of(node: Node) -> str:
    """Return one word for what a node is, for example ``list``, ``global``, ``call`` or ``int``."""
    kind = type(node)
    return _KINDS.get(kind) or kind.__name__


class Effect(Frozen):
    """Something the unpickler would have done to a value that is no CallNode.

    Attributes:
        offset: position of the opcode.
        opcode: ``BUILD``, ``SETITEM``, ``SETITEMS``, ``APPEND``, ``APPENDS`` or ``ADDITEMS``.
        target: what it is done to.
        operand: the state of BUILD, or the list of items.
    """

    offset: int
    opcode: str
    target: Node
    operand: Node


class Graph:
    """One pickle, understood as far as it goes.

    Attributes:
        start: position of the first opcode in the record, in bytes.
        stop: position after STOP, or where reading ended.
        root: the value on top of the stack at STOP; None as well when `error` is set.
        error: why reading ended early, with its offset; None after STOP.
        protocol: operand of the first PROTO, or None.
        opcode_count: opcodes executed.
        calls: every call the unpickler would have made, in order, used or not.
        globals: every name it would have looked up, in order, with repetitions.
        persistent: every persistent id it would have resolved, in order.
        effects: mutations of values that no call made, other than the ordinary ones of lists,
            dicts and sets.
        extensions: every EXT opcode.
        anomalies: oddities of the stream (a second PROTO, values left on the stack, …).
        leftover: what stood on the stack below or beside the root when reading ended.
    """

    __slots__ = (
        "anomalies",
        "calls",
        "effects",
        "error",
        "extensions",
        "globals",
        "leftover",
        "opcode_count",
        "persistent",
        "protocol",
        "root",
        "start",
        "stop",
    )

    def __init__(self, start: int) -> None:
        """Start with nothing."""
        self.start = start
        self.stop = 0
        self.root: Node = None
        self.error: FormatError | None = None
        self.protocol: int | None = None
        self.opcode_count = 0
        self.calls: list[CallNode] = []
        self.globals: list[GlobalNode] = []
        self.persistent: list[PersistentNode] = []
        self.effects: list[Effect] = []
        self.extensions: list[ExtensionNode] = []
        self.anomalies: list[Anomaly] = []
        self.leftover: list[Node] = []

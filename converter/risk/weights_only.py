"""What ``torch.load(weights_only=True)`` of torch 2.13 would say to a file, without asking it."""

from __future__ import annotations

from converter.inert.names import canonical_name
from converter.inert.nodes import CallNode, GlobalNode, PersistentNode, TupleNode
from converter.inert.opcodes import OPCODES
from converter.risk.facts import Origin
from converter.risk.known_names import safe_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from converter.risk.facts import InputFacts, PickleFacts

# torch/_weights_only_unpickler.py, Unpickler.load: everything else is "Unsupported operand".
_OPCODES: Final = frozenset(
    {
        *("PROTO", "STOP", "GLOBAL", "NEWOBJ", "REDUCE", "BUILD", "APPEND", "APPENDS"),
        *("SETITEM", "SETITEMS", "MARK", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE"),
        *("NEWTRUE", "NEWFALSE", "EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"),
        *("BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "LONG1"),
        *("BINPERSID", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT"),
    }
)
_ACCEPTED: Final = frozenset(opcode.byte for opcode in OPCODES if opcode.name in _OPCODES)
_BUILT: Final = frozenset(
    {("torch", "Tensor"), ("torch.nn.parameter", "Parameter"), ("collections", "OrderedDict")}
)
_SETTABLE: Final = frozenset({("collections", "OrderedDict"), ("collections", "Counter")})
_LEGACY: Final = "torch_legacy"
_UNTYPED: Final = "UntypedStorage"
_KINDS: Final = frozenset({"torch_save", _LEGACY})
# torch/serialization.py, load: a path of this ending goes to the safetensors library.
_NOT_ITS_OWN: Final = ".safetensors"


def allows(module: str, name: str) -> bool:
    """Return whether torch 2.13 allows a name, by its canonical spelling."""
    row = safe_name(module, name)
    return row is not None and row.weights_only


def refused_names(facts: InputFacts) -> tuple[str, ...]:
    """Return the names that would be refused, each once, as the pickles spell them."""
    names: dict[str, None] = {}
    for pickle in _loaded(facts):
        for node in pickle.graph.globals:
            if not _is_allowed(node, pickle.graph.protocol):
                names[f"{node.module}.{node.name}"] = None
    return tuple(names)


def would_load(facts: InputFacts) -> bool | None:
    """Return whether it would load a file; None where that cannot be told from here.

    Only what the pickles say is considered: a storage that is missing, or a tensor that does not
    fit into it, is refused later.
    """
    if facts.kind not in _KINDS or facts.name.endswith(_NOT_ITS_OWN):
        return False if facts.pickles else None
    pickles = list(_loaded(facts))
    if not pickles or facts.unread:
        return None
    if any(pickle.census is None for pickle in pickles):
        return None
    legacy = facts.kind == _LEGACY
    return all(_accepts(pickle, legacy=legacy) for pickle in pickles)


def _loaded(facts: InputFacts) -> Iterator[PickleFacts]:
    """Iterate over the pickles that torch.load reads."""
    for pickle in facts.pickles:
        if pickle.origin is Origin.MAIN and not pickle.reached:
            yield pickle


def _accepts(pickle: PickleFacts, *, legacy: bool) -> bool:
    graph = pickle.graph
    if graph.error is not None or graph.effects or pickle.census is None:
        return False
    if not pickle.census.opcodes <= _ACCEPTED or pickle.census.longest_long > _LONGEST:
        return False
    if not all(_is_allowed(node, graph.protocol) for node in graph.globals):
        return False
    return all(_call_fits(call, graph.protocol) for call in graph.calls) and all(
        _id_fits(node, legacy=legacy) for node in graph.persistent
    )


_LONGEST: Final = 255


def _is_allowed(node: GlobalNode, protocol: int | None) -> bool:
    return allows(*canonical_name(node.module, node.name, protocol))


def _call_fits(call: CallNode, protocol: int | None) -> bool:
    """Return whether torch makes a call, and what is then done to the result."""
    if not isinstance(call.func, GlobalNode):
        return False
    if not (call.states or call.entries or call.appended):
        return True
    name = canonical_name(call.func.module, call.func.name, protocol)
    if call.entries and name not in _SETTABLE:
        return False
    if call.appended:
        return False
    if call.states:
        return name in _BUILT or _makes_tensor(name)
    return True


def _makes_tensor(name: tuple[str, str]) -> bool:
    return name[0] == "torch" and name[1].endswith("Tensor")


def _id_fits(node: PersistentNode, *, legacy: bool) -> bool:
    pid = node.pid
    if type(pid) is int:
        return True
    items = pid.items if isinstance(pid, TupleNode) else []
    if not items or items[0] not in ("storage", b"storage"):
        return False
    # torch/serialization.py, _legacy_load, asks the class for a dtype, and this one has none:
    # that is how torch writes the types younger than the format, and does not read them again.
    untyped = len(items) > 1 and isinstance(items[1], GlobalNode) and items[1].name == _UNTYPED
    return not (legacy and untyped)

"""Every name of a pickle and how it is used, held against the tables of known names.

Rules, in order:

1. A name on the known-safe list is safe in the uses its row names, and misused in any other.
2. A name on the known-dangerous list is dangerous, whether it is called or only named: an
   unpickler imports what is named.
3. A name with dots is followed as an unpickler follows it; each step is held against both lists.
4. Any other name is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from converter.frozen import Frozen
from converter.inert.names import canonical_name
from converter.inert.nodes import (
    CallNode,
    ExtensionNode,
    GlobalNode,
    Node,
    PersistentNode,
    TupleNode,
)
from converter.risk.argument_checks import Fault, fault_of
from converter.risk.facts import Context, PickleFacts
from converter.risk.finding import Reach
from converter.risk.known_names import KnownName, SafeName, Standing, safe_name
from converter.risk.survey import DataName, Survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_SCRIPTED: Final = "__torch__"
_GETATTR: Final = ("builtins", "getattr")
_SCRIPT_USES: Final = frozenset({"value", "call", "object", "state"})
_KEPT_NAMES: Final = 4_096
_LONGEST_KEPT_NAME: Final = 400
# Uses in which what is handed over will be called.
_CALLED: Final = frozenset({"rebuild", "factory", "bit_generator"})
# Uses in which a text may stand for one of a fixed table of names.
_NAMED_BY_TEXT: Final = frozenset({"bit_generator"})


class NameUse(Frozen):
    """One use of a name that is not safe.

    Attributes:
        known: what is known of the name.
        standing: what is to be thought of this use.
        rule: the rule that has to say so.
        reason: why, as part of a sentence.
        reach: whether loading executes it.
        role: ``called by REDUCE``, ``named``, ….
        node: the call, or the name itself.
        offset: where that stands.
    """

    known: KnownName
    standing: Standing
    rule: str
    reason: str
    reach: Reach
    role: str
    node: Node
    offset: int


class NameJudge:
    """Judges the names of one pickle."""

    def __init__(self, facts: PickleFacts, survey: Survey) -> None:
        """Judge the names of `facts`, whose graph `survey` describes."""
        self._facts: Final = facts
        self._graph: Final = facts.graph
        self._survey: Final = survey
        self._scripted: Final = facts.context is Context.TORCHSCRIPT
        # A name stands in a pickle once and is referred to: by its node it is found at once.
        self._known: dict[GlobalNode, KnownName] = {}
        # (holder, index) of the names that stand where a call expects them
        self._approved: set[tuple[Node, int]] = set()

    def iter_uses(self) -> Iterator[NameUse]:
        """Iterate over every use of a name that is not safe, calls first, in stream order."""
        for call in self._graph.calls:
            yield from self._judge_call(call)
        for node in self._graph.persistent:
            self._approve_persistent(node)
        for found in self._survey.names:
            use = self._judge_data(found)
            if use is not None:
                yield use
        yield from self._judge_unused()

    def name_of(self, node: Node) -> KnownName | None:
        """Return what is known of the name that a node leads to, or None if it leads to none."""
        if isinstance(node, GlobalNode):
            return self._name_at(node)
        if isinstance(node, CallNode):
            return self._attribute(node)
        if isinstance(node, PersistentNode) and isinstance(node.pid, TupleNode):
            # ('module', class, file, source) in legacy streams, (class, file, source) in tar files
            items = node.pid.items[1:] if node.pid.items[:1] == ["module"] else node.pid.items
            if len(items) == 3 and isinstance(items[0], (GlobalNode, CallNode)):
                return self.name_of(items[0])
        return None

    def _name_at(self, node: GlobalNode) -> KnownName:
        known = self._known.get(node)
        if known is None:
            known = self._known[node] = self.known(node.module, node.name)
        return known

    def known(self, module: str, name: str) -> KnownName:
        """Return what is known of a name."""
        protocol = self._graph.protocol
        if len(module) + len(name) > _LONGEST_KEPT_NAME:
            return _look_up(module, name, protocol, scripted=self._scripted)
        return _known_name(module, name, protocol, scripted=self._scripted)

    def _attribute(self, call: CallNode) -> KnownName | None:
        """Return what ``getattr(class, "name")`` leads to: that is how nested classes are saved."""
        func = call.func
        if not isinstance(func, GlobalNode) or not isinstance(call.args, TupleNode):
            return None
        if canonical_name(func.module, func.name, self._graph.protocol) != _GETATTR:
            return None
        items = call.args.items
        if len(items) != 2 or type(items[1]) is not str or not isinstance(items[0], GlobalNode):
            return None
        return self.known(items[0].module, f"{items[0].name}.{items[1]}")

    def _judge_call(self, call: CallNode) -> Iterable[NameUse]:
        known = self.name_of(call.func)
        if known is None:
            return (self._computed(call, f"called by {call.opcode}"),)
        row = known.row
        if row is None:
            return (self._use(known, call, f"called by {call.opcode}"),)
        uses = self._judge_slots(call, row) if row.slots else ()
        fault = _use_fault(call, row)
        if fault is not None:
            role = f"called by {call.opcode}"
            use = self._use(known, call, role, Standing.MISUSED, fault.rule, fault.reason)
            return (*uses, use)
        if row.check is not None:
            return (*uses, *self._judge_arguments(call, known, row))
        return uses

    def _judge_arguments(
        self, call: CallNode, known: KnownName, row: SafeName
    ) -> Iterable[NameUse]:
        """Judge a call whose arguments decide."""
        reached = self._attribute(call) if row.name == _GETATTR[1] else None
        if reached is not None:
            items = call.args.items if isinstance(call.args, TupleNode) else []
            self._approved.add((call.args, 0))
            if reached.row is None and isinstance(items[0], GlobalNode):
                return (self._use(reached, call, "looked up by getattr"),)
            return ()
        fault = fault_of(row.check, call, self.name_of)
        if fault is None:
            return ()
        role = f"called by {call.opcode}"
        standing = Standing.DANGEROUS if fault.executes else Standing.MISUSED
        return (self._use(known, call, role, standing, fault.rule, fault.reason),)

    def _judge_slots(self, call: CallNode, row: SafeName) -> Iterator[NameUse]:
        """Judge the arguments that the callee will call, or make an object of."""
        if not isinstance(call.args, TupleNode):
            text = KnownName(row.module, row.name, Standing.SAFE, row=row)
            reason = "its arguments are computed, one of which it may call"
            role = f"called by {call.opcode}"
            yield self._use(text, call, role, Standing.MISUSED, "callable-as-data", reason)
            return
        items = call.args.items
        for index, need in row.slots:
            node = items[index] if index < len(items) else None
            if node is None or (need in _NAMED_BY_TEXT and type(node) is str):
                continue
            role = f"handed to {row.module}.{row.name} as {need}"
            known = self.name_of(node)
            if known is None:
                func = self.name_of(node.func) if isinstance(node, CallNode) else None
                if func is None or func.row is None:
                    text = KnownName(row.module, row.name, Standing.SAFE, row=row)
                    reason = f"argument {index} is no name, and is used as {need}"
                    yield self._use(text, call, role, Standing.MISUSED, "callable-as-data", reason)
                continue
            self._approved.add((call.args, index))
            if known.row is None:
                rule = "callable-as-data" if need in _CALLED else None
                yield self._use(known, node, role, rule=rule)
            elif need not in known.row.uses:
                reason = f"{known.text} is not safe as {need} of {row.module}.{row.name}"
                yield self._use(known, node, role, Standing.MISUSED, "callable-as-data", reason)

    def _approve_persistent(self, node: PersistentNode) -> None:
        """Let storage classes stand in persistent ids; the rule about those judges the rest."""
        pid = node.pid
        if isinstance(pid, TupleNode) and len(pid.items) > 1:
            known = self.name_of(pid.items[1])
            if known is not None and known.row is not None and "storage" in known.row.uses:
                self._approved.add((pid, 1))
            elif self._facts.context is Context.PACKAGE and len(pid.items) == 4:
                self._approved.add((pid, 2))

    def _judge_data(self, found: DataName) -> NameUse | None:
        node = found.node
        if isinstance(node, ExtensionNode):
            return None
        known = self._name_at(node)
        if known.row is None:
            if (found.holder, found.place) in self._approved:
                return None  # told already, where it is used
            return self._use(known, node, "named", reach=Reach.LATENT)
        if "value" in known.row.uses or (found.holder, found.place) in self._approved:
            return None
        reason = f"{known.text} is safe to call, and stands as data here"
        return self._use(
            known, node, "named", Standing.MISUSED, "callable-as-data", reason, Reach.LATENT
        )

    def _judge_unused(self) -> Iterator[NameUse]:
        """Judge names that were looked up and thrown away: the import happened."""
        called = {call.func for call in self._graph.calls if type(call.func) is GlobalNode}
        held = {found.node for found in self._survey.names}
        for node in self._graph.globals:
            if node not in called and node not in held:
                known = self.known(node.module, node.name)
                if known.row is None:
                    yield self._use(known, node, "named and dropped", reach=Reach.LATENT)

    def _computed(self, call: CallNode, role: str) -> NameUse:
        """Return the use of something that is called and is no name."""
        func = call.func
        if isinstance(func, ExtensionNode):
            known = KnownName("copyreg", f"extension {func.code}", Standing.DANGEROUS)
            reason = "which name that is only the process that loads it knows"
            return self._use(known, call, role, Standing.DANGEROUS, "extension-registry", reason)
        known = KnownName("(computed)", type(func).__name__, Standing.DANGEROUS)
        reason = "what is called is the result of another step, and no name"
        return self._use(known, call, role, Standing.DANGEROUS, "computed-name", reason)

    def _use(  # noqa: PLR0913, PLR0917 - the fields of a use, most of them by default
        self,
        known: KnownName,
        node: Node,
        role: str,
        standing: Standing | None = None,
        rule: str | None = None,
        reason: str | None = None,
        reach: Reach = Reach.EXECUTABLE,
    ) -> NameUse:
        return NameUse(
            known=known,
            standing=standing or known.standing,
            rule=rule or known.rule,
            reason=reason or known.reason,
            reach=reach,
            role=role,
            node=node,
            offset=getattr(node, "offset", self._graph.start),
        )


def _look_up(module: str, name: str, protocol: int | None, *, scripted: bool) -> KnownName:
    """Return what the tables say of a name.

    Args:
        module: as the stream spells it.
        name: as the stream spells it.
        protocol: the stream's, which decides what older spellings mean.
        scripted: whether a reader of TorchScript looks the name up.
    """
    canonical = canonical_name(module, name, protocol)
    row = safe_name(*canonical)
    if row is None and scripted:
        row = _scripted(module, name)
    if row is not None:
        return KnownName(module, name, Standing.SAFE, row=row)
    # Ordinary checkpoints have no such name, and what tells them apart is not quick to import.
    from converter.risk.foreign_names import judge_foreign

    return judge_foreign(module, name, canonical)


# The tables never change, and checkpoints use the same few names: each is looked up once a process.
_known_name: Final = lru_cache(maxsize=_KEPT_NAMES)(_look_up)


def _use_fault(call: CallNode, row: SafeName) -> Fault | None:
    """Return in which way a call is none of the uses that are safe, or None."""
    uses = row.uses
    if "call" in uses and not call.states and not call.entries and not call.appended:
        return None
    name = f"{row.module}.{row.name}"
    if "call" not in uses:
        made = call.opcode in ("NEWOBJ", "NEWOBJ_EX")
        empty = isinstance(call.args, TupleNode) and not call.args.items
        if "object" not in uses or not (made or empty):
            return Fault(f"{name} is not safe to call with arguments")
    if call.states and "state" not in uses and "object" not in uses:
        return Fault(f"{name} takes no state")
    if call.entries and "items" not in uses:
        return Fault(f"{name} takes no items", rule="item-assignment")
    if call.appended and "append" not in uses and "items" not in uses:
        return Fault(f"nothing is appended to {name}", rule="item-assignment")
    return None


def _scripted(module: str, name: str) -> SafeName | None:
    """Return the row for a class of TorchScript: compiled from the archive, and no Python."""
    if module != _SCRIPTED and not module.startswith(f"{_SCRIPTED}."):
        return None
    source = "torch 2.13.0, torch/csrc/jit/serialization/unpickler.cpp: readGlobal"
    return SafeName(module, name, _SCRIPT_USES, (), None, source, "2026-11-22")

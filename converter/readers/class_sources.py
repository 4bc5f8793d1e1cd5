"""The source text of classes that old torch files carry with them: shown as provenance, never run.

Legacy streams name a module's class by a persistent id ``('module', class, file, source)``; the tar
layout by the tuple ``(class, file, source)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import as_text
from converter.inert.names import canonical_name
from converter.inert.nodes import ByteString, CallNode, GlobalNode, Node, TupleNode

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened

_MAX_NESTED_CLASSES: Final = 16


@dataclass(frozen=True, slots=True)
class ClassSource:
    """What a file says about the source of one class.

    Attributes:
        file: path of the source file on the machine that saved, or None.
        text: the class's source, or None.
    """

    file: str | None
    text: str | None


def class_sources(opened: Opened) -> dict[str, ClassSource]:
    """Return class name → the source the file carries for it, in order of first use.

    The claim of the file, not a fact: nothing says that the objects were made by this source.
    """
    found: dict[str, ClassSource] = {}
    for _, graph in opened.graphs:
        for node in graph.persistent:
            pid = node.pid
            items = list(pid.items) if isinstance(pid, TupleNode) else []
            if len(items) == 4 and _text(items[0]) == "module":
                items = items[1:]
            name = _class_name(items[0], graph.protocol) if len(items) == 3 else None
            if name is not None:
                found.setdefault(name, ClassSource(_text(items[1]), _text(items[2])))
    return found


def _class_name(node: Node, protocol: int | None) -> str | None:
    """Return the name of a class, also of one inside others: ``getattr(Outer, 'Inner')``."""
    inner: list[str] = []
    while not isinstance(node, GlobalNode):
        if not isinstance(node, CallNode) or not isinstance(node.args, TupleNode):
            return None
        owner, name = (*node.args.items, None, None)[:2]
        text = _text(name)
        if _callee(node, protocol) != "builtins.getattr" or text is None:
            return None
        if len(inner) >= _MAX_NESTED_CLASSES:
            return None
        inner.append(text)
        node = owner
    return ".".join([*canonical_name(node.module, node.name, protocol), *reversed(inner)])


def _callee(call: CallNode, protocol: int | None) -> str | None:
    func = call.func
    if not isinstance(func, GlobalNode):
        return None
    return ".".join(canonical_name(func.module, func.name, protocol))


def _text(node: Node) -> str | None:
    return as_text(node) if isinstance(node, (str, ByteString)) else None

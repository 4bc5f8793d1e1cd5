"""The source text of classes that old torch files carry with them: shown as provenance, never run.

Legacy streams name a module's class by a persistent id ``('module', class, file, source)``; the tar
layout by the tuple ``(class, file, source)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from converter.checkpoint.values import as_text
from converter.inert.names import canonical_name
from converter.inert.nodes import ByteString, GlobalNode, Node, TupleNode

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Opened


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
            if len(items) != 3 or not isinstance(items[0], GlobalNode):
                continue
            name = ".".join(canonical_name(items[0].module, items[0].name, graph.protocol))
            found.setdefault(name, ClassSource(_text(items[1]), _text(items[2])))
    return found


def _text(node: Node) -> str | None:
    return as_text(node) if isinstance(node, (str, ByteString)) else None

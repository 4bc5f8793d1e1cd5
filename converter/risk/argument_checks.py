"""Checks of arguments: names that are safe with some arguments and not with others."""

from __future__ import annotations

from collections.abc import Callable

from converter.frozen import Frozen
from converter.inert.nodes import ByteString, CallNode, GlobalNode, Node, TupleNode
from converter.patterns import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.risk.known_names import KnownName

# What text can be encoded with in a pickle that Python writes: copyreg and pickle.save_bytes.
_CODECS: Final = frozenset({"latin1", "latin-1", "utf-8", "utf8", "ascii", "iso-8859-1"})
_SINGLETONS: Final = frozenset({"Ellipsis", "NotImplemented"})


class Fault(Frozen):
    """Why arguments are not the ones that are safe.

    Attributes:
        reason: as part of a sentence.
        executes: whether code of the file's choice may run.
        rule: the rule that has to say so.
    """

    reason: str
    executes: bool = False
    rule: str = "unsafe-use"


NameOf = Callable[[Node], "KnownName | None"]


def fault_of(check: str | None, call: CallNode, name_of: NameOf) -> Fault | None:
    """Return what is wrong with the arguments of a call, or None."""
    if check is None:
        return None
    if not isinstance(call.args, TupleNode):
        return Fault("its arguments are no tuple")
    return _CHECKS[check](call, call.args.items, name_of)


def literal(node: Node) -> bytes | None:
    """Return the bytes that a node is, or that text and codec make; None for anything else."""
    if isinstance(node, bytes):
        return bytes(node)
    if isinstance(node, CallNode) and isinstance(node.args, TupleNode):
        items = node.args.items
        named = isinstance(node.func, GlobalNode) and node.func.name == "encode"
        if named and len(items) == 2 and type(items[0]) is str and _text(items[1]) in _CODECS:
            try:
                return items[0].encode(_text(items[1]))
            except UnicodeEncodeError:
                return None
    return None


def _text(node: Node) -> str:
    if type(node) is ByteString:
        return node.decode("latin-1")
    return node if type(node) is str else ""


def _codec(_: CallNode, items: list[Node], __: NameOf) -> Fault | None:
    fits = len(items) == 2 and type(items[0]) is str and _text(items[1]) in _CODECS
    return None if fits else Fault("it encodes with something else than a codec of text")


def _stream(_: CallNode, items: list[Node], __: NameOf) -> Fault | None:
    if len(items) == 1 and literal(items[0]) is not None:
        return None
    return Fault("it loads bytes that are computed", executes=True, rule="nested-pickle")


def _attribute(_: CallNode, items: list[Node], name_of: NameOf) -> Fault | None:
    """Judge ``getattr(object, "name")``: the method of an object is how hooks are saved."""
    if len(items) != 2 or type(items[1]) is not str:
        return Fault("the attribute is computed", executes=True, rule="computed-name")
    if items[1].startswith("__") or "." in items[1]:
        return Fault(f"it reads the attribute {items[1][:80]!r}", executes=True)
    if isinstance(items[0], CallNode):
        owner = name_of(items[0].func)
        # A method of an unknown class is as unknown as the class, which is told by itself.
        if owner is not None and (owner.row is None or "object" in owner.row.uses):
            return None
    return Fault(f"it reads the attribute {items[1][:80]!r} of a value")


def _singleton(_: CallNode, items: list[Node], __: NameOf) -> Fault | None:
    if len(items) == 1:
        node = items[0]
        if node is None or (isinstance(node, GlobalNode) and node.name in _SINGLETONS):
            return None
    return Fault("it is called for more than the type of a singleton")


def _sized(_: CallNode, items: list[Node], __: NameOf) -> Fault | None:
    """Judge lengths and ranges, which cost nothing to write and much to make."""
    large = [item for item in items if type(item) is int and abs(item) > _MAX_LENGTH]
    return Fault(f"it makes something of {large[0]} parts") if large else None


def _filled(_: CallNode, items: list[Node], __: NameOf) -> Fault | None:
    """Judge a length that is filled with zeros: picklers write the bytes themselves."""
    large = [item for item in items if type(item) is int and abs(item) > _MAX_ZEROS]
    return Fault(f"it makes {large[0]} zeros") if large else None


def _spelled(_: CallNode, items: list[Node], __: NameOf) -> Fault | None:
    """Judge a number: one of a decimal with an exponent has that many digits."""
    if any(isinstance(item, CallNode) for item in items):
        return Fault("it makes a number of something computed")
    return None


def _counted(_: CallNode, items: list[Node], name_of: NameOf) -> Fault | None:
    """Judge what is filled from another value: a range is written in a few bytes."""
    for item in items:
        known = name_of(item.func) if isinstance(item, CallNode) else None
        if known is not None and known.row is not None and known.row.name == "range":
            return Fault("it lists a range, which picklers never do")
    return None


def _ratio(_: CallNode, items: list[Node], __: NameOf) -> Fault | None:
    """Judge the text of a fraction: one with an exponent is a number of that many digits."""
    text = items[0] if items else None
    if type(text) is str and not _RATIO.fullmatch(text):
        return Fault(f"it makes a fraction of {text[:40]!r}")
    return _spelled(_, items, __)


# Far beyond any range or length that a checkpoint keeps.
_MAX_LENGTH: Final = 1 << 32
_MAX_ZEROS: Final = 1 << 20
_RATIO: Final = lazy_pattern(r"-?[0-9]{1,1000}(?:/[0-9]{1,1000})?")
_CHECKS: Final = {
    "sized": _sized,
    "filled": _filled,
    "spelled": _spelled,
    "counted": _counted,
    "ratio": _ratio,
    "codec": _codec,
    "stream": _stream,
    "attribute": _attribute,
    "singleton": _singleton,
}

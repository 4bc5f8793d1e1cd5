"""Looks into the byte strings of a pickle: pickles in pickles, plain, packed or in base64."""

from __future__ import annotations

from converter.byteio.source import MemorySource
from converter.containers.detection import detect
from converter.errors import DepickleError
from converter.inert.names import canonical_name
from converter.inert.nodes import GlobalNode, TupleNode
from converter.patterns import lazy_pattern
from converter.risk.argument_checks import literal
from converter.risk.facts import Origin
from converter.risk.gathering.glance import STARTERS
from converter.risk.gathering.streams import says_something, suspected_graph, take_pickle
from converter.risk.known_names import safe_name
from converter.risk.strings import SHORTEST_BASE64, is_blob
from converter.risk.survey import Blob, iter_strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.inert.nodes import Node
    from converter.risk.facts import PickleFacts
    from converter.risk.gathering.collector import Collector, Place

_BASE64_WHOLE: Final = lazy_pattern(rb"[A-Za-z0-9+/_\s-]+={0,2}\s*")
_LOADS: Final = ("torch.storage", "_load_from_bytes")
# PROTO and EXT.
_BINARY_STARTERS: Final = frozenset({b"\x80", b"\x82", b"\x83", b"\x84"})
_PACKED: Final = frozenset({"gzip", "bzip2", "xz", "zlib"})
_MAX_ARGUMENT_NODES: Final = 200


def take_blobs(found: Collector, facts: PickleFacts, place: Place) -> None:
    """Take the pickles in the strings of a pickle."""
    count = 0
    reached, seen = _arguments(facts)
    for blob in [*reached, *facts.survey.blobs]:
        if id(blob.value) in seen:
            continue
        seen.add(id(blob.value))
        count += 1
        if count > found.scan_limits.max_blobs:
            found.fail(_too_many(found.scan_limits.max_blobs), place)
            return
        _take(found, facts, blob, place, how=reached.get(blob, ""))


def _too_many(most: int) -> DepickleError:
    return DepickleError(f"more than {most} strings that may hold pickles")


def _arguments(facts: PickleFacts) -> tuple[dict[Blob, str], set[int]]:
    """Return the strings that are handed to a call which is not known to be harmless.

    With them, the identities of texts that stand for bytes already listed.
    """
    reached: dict[Blob, str] = {}
    seen: set[int] = set()
    walked: set[int] = set()
    protocol = facts.graph.protocol
    for call in facts.graph.calls:
        name = _name_of(call.func, protocol)
        if name == _LOADS:
            items = call.args.items if isinstance(call.args, TupleNode) else []
            raw = literal(items[0]) if items else None
            if raw is not None:
                reached[Blob(raw, call)] = "argument of torch.storage._load_from_bytes"
                seen.update(id(text.value) for text in iter_strings(items[0], _MAX_ARGUMENT_NODES))
        elif name is None or safe_name(*name) is None:
            shown = ".".join(name) if name else "something computed"
            for blob in iter_strings(call, _MAX_ARGUMENT_NODES, walked):
                reached.setdefault(blob, f"argument of {shown}")
    return reached, seen


def _name_of(node: Node, protocol: int | None) -> tuple[str, str] | None:
    if isinstance(node, GlobalNode):
        return canonical_name(node.module, node.name, protocol)
    return None


def _take(found: Collector, facts: PickleFacts, blob: Blob, place: Place, *, how: str) -> None:
    """Take one string, in every form in which it may be a pickle."""
    stream = how.endswith("_load_from_bytes")
    forms = [form for form in _forms(blob.value) if stream or _is_plausible(form[0])]
    if not forms:
        return
    offset = getattr(blob.holder, "offset", facts.graph.start)
    inner = place.inside(
        f"bytes at {offset}",
        level=place.level + 1,
        origin=Origin.NESTED if not stream else place.origin,
        expected=stream,
        reached=how,
        parent_offset=offset,
        storages={},
    )
    for raw, label in forms:
        here = inner if not label else inner._replace(record=f"{inner.record} ({label})")
        source = MemorySource(raw, here.record or "bytes")
        if stream:
            found.enter(source, here)
            return
        if _is_container(source) and found.scan_limits.max_levels >= here.level:
            _unpack(found, source, here)
        else:
            _take_plain(found, source, here)


def _is_plausible(raw: bytes) -> bool:
    """Return whether bytes are worth reading: most strings are words, and begin no pickle."""
    first = raw[:1]
    if first in _BINARY_STARTERS or is_blob(raw):
        return True
    return first in STARTERS and b"\n" in raw and b"." in raw


def _forms(value: str | bytes) -> list[tuple[bytes, str]]:
    """Return the bytes that a string may stand for."""
    forms = []
    if isinstance(value, bytes):
        forms.append((bytes(value), ""))
    elif not value.isascii():
        try:
            return [(value.encode("latin-1"), "")]
        except UnicodeEncodeError:
            return []
    else:
        forms.append((value.encode("ascii"), ""))
    raw = forms[0][0]
    if len(raw) >= SHORTEST_BASE64 and _BASE64_WHOLE.fullmatch(raw):
        import base64
        import binascii

        try:
            forms.append((base64.b64decode(raw.translate(_TO_STANDARD)), "base64"))
        except (binascii.Error, ValueError):
            return forms
    return forms


_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


def _is_container(source: ByteSource) -> bool:
    return detect(source).kind in {*_PACKED, "zip", "tar", "torch_legacy", "npy"}


def _unpack(found: Collector, source: ByteSource, place: Place) -> None:
    """Take a compressed string, or one that is an archive."""
    kind = detect(source).kind
    if kind not in _PACKED:
        found.enter(source, place._replace(expected=kind == "torch_legacy"))
        return
    from converter.byteio.decompressed import decompress

    limits = found.limits._replace(max_decompressed_bytes=found.scan_limits.max_blob_bytes)
    try:
        inner = decompress(source, kind, limits).data
    except DepickleError:
        return  # it only looked compressed
    here = place._replace(record=f"{place.record} ({kind})", level=place.level + 1)
    if _is_container(inner):
        found.enter(inner, here)
    else:
        _take_plain(found, inner, here)


def _take_plain(found: Collector, source: ByteSource, place: Place) -> None:
    """Take bytes as a pickle, if they name or call something as one."""
    if source.nbytes == 0:
        return
    graph = suspected_graph(found, source, 0)
    named = bool(graph.globals) and says_something(graph)
    if named or (graph.error is None and graph.protocol is not None and graph.opcode_count > 2):
        take_pickle(found, source, place._replace(expected=graph.error is None))

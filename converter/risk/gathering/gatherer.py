"""Takes an input apart by its kind, and what is in it by its own kind, down to every pickle."""

from __future__ import annotations

from converter.anomaly import Anomaly
from converter.byteio.source import MemorySource
from converter.containers.detection import Claim, Detection, detect
from converter.errors import DepickleError, FormatError, UnsupportedError
from converter.limits import DEFAULT_LIMITS, Limits
from converter.patterns import lazy_pattern
from converter.risk.facts import ArchiveFacts, Origin
from converter.risk.finding import Skipped
from converter.risk.gathering.archives import take_tar, take_zip
from converter.risk.gathering.blobs import take_blobs
from converter.risk.gathering.collector import Collector, Place
from converter.risk.gathering.streams import take_legacy, take_npy, take_pickle, take_suspected
from converter.risk.scan_limits import DEFAULT_SCAN_LIMITS, ScanLimits
from converter.risk.survey import byte_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.risk.facts import InputFacts

_COMPRESSIONS: Final = frozenset({"gzip", "bzip2", "xz", "zlib"})
# LZMA SDK, lzma.txt: properties 0x5d, then a dictionary size that ends in zeros.
_LZMA_HEAD: Final = b"\x5d\0\0"
# What lies beside checkpoints in folders; no loader of checkpoints opens it.
_TEXT_SUFFIXES: Final = (
    *(".json", ".jsonl", ".txt", ".md", ".rst", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".csv"),
    *(".tsv", ".py", ".sh", ".html", ".xml", ".log", ".model_card", ".gitattributes", ".license"),
)
# Without an ending: DeepSpeed writes the name of the newest folder into it.
_TEXT_NAMES: Final = frozenset({"latest", "license", "readme"})
_SAFETENSORS_HEAD: Final = lazy_pattern(rb"(?s).{4}\0{4}\{[\"} ]")


def gather(
    source: ByteSource,
    limits: Limits = DEFAULT_LIMITS,
    scan_limits: ScanLimits = DEFAULT_SCAN_LIMITS,
) -> InputFacts:
    """Return everything that is found in an input; broken parts are told, not raised.

    Raises:
        SourceError: the input cannot be read.
    """
    found = collector_of(limits, scan_limits)
    found.enter(source, Place())
    return found.facts(source)


def collector_of(limits: Limits, scan_limits: ScanLimits) -> Collector:
    """Return a collector that takes apart whatever it enters."""
    return Collector(limits, scan_limits, descend=_descend, take_blobs=take_blobs)


def _descend(found: Collector, source: ByteSource, place: Place) -> None:
    """Take a source apart in every way that it claims to be readable."""
    detection = detect(source)
    for anomaly in detection.anomalies:
        found.note(anomaly, place)
    if place.level == 0:
        found.claims += detection.claims
    claims = _claims(source, detection)
    for number, claim in enumerate(claims):
        here = place if number == 0 else place._replace(origin=Origin.ALTERNATIVE)
        try:
            _take(found, source, here, claim)
        except DepickleError as error:
            found.fail(error, place)


def _claims(source: ByteSource, detection: Detection) -> list[Claim]:
    """Return one claim of each kind, with those that detection finds too weak to name."""
    kinds: dict[str, Claim] = {}
    for claim in detection.claims:
        kinds.setdefault(claim.kind, claim)
    head = source.read_at(0, min(source.nbytes, 10))
    if "unknown" in kinds and head.startswith(_LZMA_HEAD):
        return [Claim("lzma", 0, "it begins like an lzma file", strong=False)]
    if "unknown" in kinds and _SAFETENSORS_HEAD.match(head):
        return [Claim("safetensors", 0, "it begins like a safetensors header", strong=False)]
    return list(kinds.values())


def _take(found: Collector, source: ByteSource, place: Place, claim: Claim) -> None:
    kind = claim.kind
    if kind in _COMPRESSIONS or kind == "lzma":
        _take_compressed(found, source, place, claim)
        return
    take = _TAKERS.get(kind)
    if take is None:
        take_suspected(found, source, place)
        _refuse(found, source, place, kind)
        return
    if kind not in ("zip", "tar"):
        found.archives.append(ArchiveFacts(place.record, kind, place.level))
    before = len(found.pickles)
    take(found, source, place)
    if kind == "pickle" and not claim.strong and _is_no_pickle(found, before):
        del found.pickles[before:]
        _refuse(found, source, place, "unknown")


def _refuse(found: Collector, source: ByteSource, place: Place, kind: str) -> None:
    """Say that a file is of no kind that is read, unless it is the text that its name promises.

    Raises:
        FormatError: it is not.
    """
    from converter.readers.diagnosis import unreadable

    error = unreadable(source, kind)
    if error.code == "text_file" and _promises_text(source.name):
        reason = "text, as its name says, and no pickle"
        found.skipped.append(Skipped("the whole file", reason, place.at(0)))
        found.archives.append(ArchiveFacts(place.record, "text", place.level))
        return
    raise error


def _promises_text(name: str) -> bool:
    lowered = name.lower().replace("\\", "/").rpartition("/")[2]
    return lowered.endswith(_TEXT_SUFFIXES) or lowered in _TEXT_NAMES


def _is_no_pickle(found: Collector, before: int) -> bool:
    """Return whether what merely could be a pickle broke off before it named anything."""
    graphs = [facts.graph for facts in found.pickles[before:]]
    quiet = not any(
        graph.globals or graph.calls or graph.extensions or byte_names(graph) for graph in graphs
    )
    return quiet and any(graph.error is not None for graph in graphs)


def _take_compressed(found: Collector, source: ByteSource, place: Place, claim: Claim) -> None:
    """Take what is inside a compressed file."""
    from converter.byteio.decompressed import decompress
    from converter.readers.diagnosis import unreadable

    kind = claim.kind
    found.archives.append(ArchiveFacts(place.record, kind, place.level))
    try:
        unpacked = decompress(source, kind, found.limits)
    except FormatError:
        _take_salvaged(found, source, place, kind)
        if claim.strong or kind == "lzma":
            raise
        raise unreadable(source, "unknown") from None
    if unpacked.trailing_nbytes:
        start = source.nbytes - unpacked.trailing_nbytes
        detail = f"{unpacked.trailing_nbytes} bytes follow the compressed stream"
        found.note(Anomaly("compressed_trailing_bytes", detail, start), place, kind)
    with unpacked.data as data:
        found.enter(data, place.inside(kind, level=place.level + 1))


def _take_salvaged(found: Collector, source: ByteSource, place: Place, kind: str) -> None:
    """Take what stands before the damage: an unpickler has read it by then."""
    from converter.byteio.decompressed import salvaged

    data = salvaged(source, kind)
    if data:
        inside = place.inside(kind, level=place.level + 1, origin=Origin.ALTERNATIVE)
        found.enter(MemorySource(data, source.name), inside._replace(expected=False))


def _take_safetensors(found: Collector, source: ByteSource, _: Place) -> None:
    """Read the header: there is no pickle in such a file."""
    from converter.readers.safetensors_source import read_safetensors

    read_safetensors(source, found.limits)


def _take_hdf5(_: Collector, source: ByteSource, __: Place) -> None:
    raise UnsupportedError(
        "HDF5 file",
        source=source.name,
        expected="a file of PyTorch",
        found="HDF5, which may hold code of Keras layers",
        code="hdf5_file",
    )


_TAKERS: Final[dict[str, Callable[[Collector, ByteSource, Place], None]]] = {
    "zip": take_zip,
    "tar": take_tar,
    "torch_legacy": take_legacy,
    "pickle": take_pickle,
    "safetensors": _take_safetensors,
    "npy": take_npy,
    "hdf5": _take_hdf5,
}
"""Kind, as detection names it → what takes it apart."""

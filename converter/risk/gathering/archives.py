"""Takes archives apart: every record that is a pickle, an archive, or begins like one.

Storages are not read: of a record that should hold numbers only as much is looked at as makes
sense as a pickle, a few hundred bytes where it makes none.
"""

from __future__ import annotations

from converter.anomaly import Anomaly
from converter.byteio.source import WindowSource
from converter.containers.detection import Claim, detect
from converter.containers.zip_archive import check_crc, read_zip
from converter.containers.zip_structures import END
from converter.errors import ContainerError, DepickleError, LimitError
from converter.frozen import Frozen
from converter.readers.zip_kinds import kind_of_zip
from converter.risk.facts import ArchiveFacts, CodeText, Context, Origin
from converter.risk.finding import Skipped
from converter.risk.gathering.glance import (
    ELF,
    HEAD_NBYTES,
    SIGNATURES,
    USTAR,
    is_plain_head,
)
from converter.risk.gathering.streams import (
    take_legacy,
    take_rest,
    take_stacked,
    take_suspected,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from converter.byteio.source import ByteSource
    from converter.containers.records import Archive, Record
    from converter.risk.gathering.collector import Collector, Place

_PICKLE_ENDINGS: Final = (".pkl", ".pickle", ".debug_pkl", ".joblib")
_STORAGE_FOLDERS: Final = ("data", "tensors", "constants", ".data", "weights", "xl")
_CODE_ENDING: Final = ".py"
# Libraries of compiled models.
_NATIVE_ENDINGS: Final = (".so", ".dll", ".dylib", ".pyd", ".cubin", ".hsaco")
# Kinds of archives in which pickles are at home under more names than torch.save's.
_CONTEXTS: Final = {
    "torchscript": Context.TORCHSCRIPT,
    "torchscript_json": Context.TORCHSCRIPT,
    "torch_package": Context.PACKAGE,
}
# What the head of a record shows when it is a container of its own.
_CONTAINERS: Final = frozenset(
    {"zip", "torch_legacy", "tar", "npy", "gzip", "bzip2", "xz", "seven_zip", "zstd"}
)
_MAX_PARTS: Final = 10_000
_MAX_ARCHIVE_NAMES: Final = 1_000


class Listed(Frozen):
    """An archive and what is known of it.

    Attributes:
        source: its bytes.
        archive: its records.
        kind: its kind.
    """

    source: ByteSource
    archive: Archive
    kind: str


def take_zip(found: Collector, source: ByteSource, place: Place) -> None:
    """Take every record of a zip archive; of archives in a row, those of each."""
    try:
        archive = read_zip(source, found.limits)
    except ContainerError:
        _take_truncated(found, source, place)
        raise
    parts = [(source, archive)] if _split(source, archive) is None else _parts(found, source)
    if len(parts) == 1:
        kind = kind_of_zip(archive).name
        if place.level == 0:
            found.listing = archive
        _take_archive(found, Listed(source, archive, kind), place)
        return
    for anomaly in archive.anomalies:
        if anomaly.code in _OF_A_ROW:
            found.note(anomaly, place, "archives_in_a_row")
    found.archives.append(ArchiveFacts(place.record, "archives_in_a_row", place.level))
    for number, (window, part) in enumerate(parts, 1):
        kind = kind_of_zip(part).name
        here = place.inside(f"archive {number}")
        _take_archive(found, Listed(window, part, "torch_save" if kind == "distcp" else kind), here)


def _take_truncated(found: Collector, source: ByteSource, place: Place) -> None:
    """Take the pickle at the start of an archive without a directory."""
    from converter.readers.broken_zip import read_truncated_zip

    opened = read_truncated_zip(source, found.limits)
    for name, graph in opened.graphs:
        found.keep(graph, source.nbytes, place.inside(name, context=Context.TORCH))


def _parts(found: Collector, source: ByteSource) -> list[tuple[ByteSource, Archive]]:
    """Return the archives that stand in a row in a file, each with its own bytes, in order.

    Where an archive is said to be followed by another, both are what some reader reads.
    """
    parts: list[tuple[ByteSource, Archive]] = []
    pending: list[ByteSource] = [source]
    while pending and len(parts) < _MAX_PARTS:
        window = pending.pop()
        try:
            archive = read_zip(window, found.limits)
        except DepickleError:
            continue  # bytes between archives: the whole file's anomalies tell of them
        split = _split(window, archive)
        if split is None:
            parts.append((window, archive))
        else:
            pending += reversed(split)
    return parts


def _split(window: ByteSource, archive: Archive) -> list[ByteSource] | None:
    """Return what stands before and behind the first end record that is not the archive's own."""
    ends = [item.offset for item in archive.anomalies if item.code == "zip_concatenated"]
    if not ends or ends[0] is None:
        return None
    stop = ends[0] + END.size
    if stop >= window.nbytes:
        return None
    stop += int.from_bytes(window.read_at(stop - 2, 2), "little")
    if stop >= window.nbytes:
        return None
    first = WindowSource(window, 0, stop, window.name)
    return [first, WindowSource(window, stop, window.nbytes - stop, window.name)]


def _take_archive(found: Collector, listed: Listed, place: Place) -> None:
    records = listed.archive.records
    names = tuple(record.name for record in records[:_MAX_ARCHIVE_NAMES])
    found.archives.append(ArchiveFacts(place.record, listed.kind, place.level, names))
    for anomaly in listed.archive.anomalies:
        found.note(anomaly, place, listed.kind)
    if listed.kind == "aborted":
        found.fail(_aborted(listed), place)
    context = _CONTEXTS.get(listed.kind, Context.TORCH)
    storages = _storages(listed.archive)
    peeked = nbytes = 0
    inside = place._replace(level=place.level + 1, context=context, storages=storages)
    for record in records:
        record_nbytes = record.data.nbytes
        if record_nbytes == 0 and record.is_folder:
            continue
        if is_plain_record(record) or not take_record(found, listed, record, inside):
            peeked += 1
            nbytes += record_nbytes
    _take_directory(found, listed, place)
    if peeked:
        what = f"{peeked} records of {nbytes} bytes"
        reason = "they begin with nothing that is a pickle or an archive; the rest is not read"
        found.skipped.append(Skipped(what, reason, place.at(0)))


def _take_directory(found: Collector, listed: Listed, place: Place) -> None:
    """Take pickles in what follows the last record of a zip: extra fields and comments."""
    if listed.archive.kind != "zip":
        return
    stops = [
        record.offset + record.stored_nbytes
        for record in listed.archive.records
        if record.offset is not None and record.stored_nbytes is not None
    ]
    stop = max(stops, default=listed.source.nbytes)
    if stop < listed.source.nbytes:
        here = place.inside("directory", origin=Origin.HIDDEN, expected=False)
        take_stacked(found, listed.source, here, stop)


def is_plain_record(record: Record) -> bool:
    """Return whether a record begins with nothing that is a pickle, an archive or code."""
    if record.problem is not None or record.name.lower().endswith(_NOTABLE_ENDINGS):
        return False
    try:
        head = _head_of(record.data, HEAD_NBYTES)
    except DepickleError:
        return False
    return is_plain_head(head, record.data.nbytes)


def take_record(found: Collector, listed: Listed, record: Record, place: Place) -> bool:
    """Take one record; return whether it was more than numbers or text.

    One that cannot be read hides none that follow.
    """
    here = place.inside(record.name)
    try:
        return _take_record(found, listed, record, here)
    except DepickleError as error:
        found.fail(error, here)
        return True


def _aborted(listed: Listed) -> ContainerError:
    return ContainerError(
        "aborted torch.save, nothing was pickled",
        source=listed.source.name,
        expected=f"a record {listed.archive.root}/data.pkl",
        code="aborted_save",
    )


def _storages(archive: Archive) -> Mapping[str, int]:
    """Return storage key → bytes, for the folders that torch.save uses."""
    root = archive.root
    sizes: dict[str, int] = {}
    for folder in ("data", "tensors"):
        prefix = f"{root}/{folder}/"
        for record in archive.records:
            if record.name.startswith(prefix):
                sizes.setdefault(record.name[len(prefix) :], record.nbytes)
    return sizes


def _take_record(found: Collector, listed: Listed, record: Record, place: Place) -> bool:
    """Take one record; return whether it was more than numbers or text."""
    data = record.data
    if record.problem is not None:
        stored = _stored(listed, record)
        if stored is None:
            found.fail(record.problem, place, 0)
            return True
        data = stored
        text = "the record is said to be unreadable, and its stored bytes can be read"
        found.note(Anomaly("record_readable_all_the_same", text), place, listed.kind)
    name = record.name.lower()
    if name.endswith(_PICKLE_ENDINGS) and data.nbytes:
        _note_growth(found, listed, record, place)
        found.enter(data, place._replace(origin=_origin(listed, record)))
        _check_crc(found, record, place, listed.kind)
        return True
    if name.endswith(_CODE_ENDING):
        nbytes = min(data.nbytes, found.scan_limits.max_code_bytes)
        text = data.read_at(0, nbytes).decode("utf-8", "backslashreplace")
        if nbytes < data.nbytes:
            found.fail(_long_code(data, nbytes), place, nbytes)
        found.codes.append(CodeText(place.record or record.name, text, listed.kind))
    elif name.endswith(_NATIVE_ENDINGS) or _head_of(data, 4) == ELF:
        found.codes.append(CodeText(place.record or record.name, "", listed.kind, native=True))
    hidden = Origin.HIDDEN if listed.kind == "torch_save" else Origin.MAIN
    if not _peek(found, data, place._replace(origin=hidden), expected=not _is_storage(record)):
        return False
    _check_crc(found, record, place, listed.kind)
    return True


def _long_code(data: ByteSource, allowed: int) -> LimitError:
    return LimitError("max_code_bytes", allowed=allowed, found=data.nbytes, source=data.name)


def _head_of(data: ByteSource, nbytes: int) -> bytes:
    return data.read_at(0, min(nbytes, data.nbytes))


def _note_growth(found: Collector, listed: Listed, record: Record, place: Place) -> None:
    """Note a pickle that unpacks to far more than a pickle's text and numbers ever do."""
    packed = record.stored_nbytes or 0
    if record.compressed and record.nbytes > max(_TIGHT_NBYTES, _TIGHT_RATIO * packed):
        detail = f"{packed} bytes unpack to {record.nbytes}"
        found.note(Anomaly("pickle_packed_tightly", detail), place, listed.kind)


def _origin(listed: Listed, record: Record) -> Origin:
    """Return whether a loader of this kind of archive looks for a pickle under this name."""
    if listed.kind != "torch_save":
        return Origin.MAIN
    main = f"{listed.archive.root}/data.pkl".lower()
    return Origin.MAIN if record.name.lower() == main else Origin.HIDDEN


def _stored(listed: Listed, record: Record) -> ByteSource | None:
    """Return the stored bytes of a record that is marked as unreadable, if they are a pickle."""
    if record.offset is None or not record.stored_nbytes:
        return None
    if record.offset + record.stored_nbytes > listed.source.nbytes:
        return None
    window = WindowSource(listed.source, record.offset, record.stored_nbytes, record.name)
    return window if detect(window).kind in {"pickle", "torch_legacy"} else None


def _peek(found: Collector, data: ByteSource, place: Place, *, expected: bool) -> bool:
    """Look at the start of a record that should hold no pickle; return whether it does."""
    if data.nbytes == 0:
        return False
    before = len(found.pickles), len(found.archives)
    head = WindowSource(data, 0, min(found.scan_limits.peek_bytes, data.nbytes), data.name)
    first = head.read_at(0, head.nbytes)
    claim = _NO_CLAIM
    if first.startswith(SIGNATURES) or first[257:HEAD_NBYTES] == USTAR:
        claim = detect(head).claims[0]
    if claim.kind in _CONTAINERS and claim.strong and claim.offset in _HEAD_OFFSETS:
        if claim.kind == "torch_legacy":
            take_legacy(found, data, place)
        else:
            found.enter(data, place._replace(expected=expected))
    else:
        take_suspected(found, data, place)
    return (len(found.pickles), len(found.archives)) != before


def _is_storage(record: Record) -> bool:
    """Return whether a record stands among numbers; the root folder is called as the file was."""
    return any(part in _STORAGE_FOLDERS for part in record.name.split("/")[1:-1])


def _check_crc(found: Collector, record: Record, place: Place, kind: str) -> None:
    """Compare the checksum of a record that was read whole anyway."""
    if record.problem is not None or record.nbytes > found.scan_limits.max_census_bytes:
        return
    try:
        anomaly = check_crc(record, found.limits)
    except DepickleError as error:
        found.fail(error, place)
        return
    if anomaly is not None:
        found.note(anomaly._replace(record=None), place, kind)


def take_tar(found: Collector, source: ByteSource, place: Place) -> None:
    """Take every regular file of a tar archive."""
    from converter.containers.tar_archive import read_tar

    archive = read_tar(source, found.limits)
    names = tuple(record.name for record in archive.records[:_MAX_ARCHIVE_NAMES])
    torch = set(names).issuperset(_TORCH_MEMBERS)
    kind = "torch_tar" if torch else "tar"
    found.archives.append(ArchiveFacts(place.record, kind, place.level, names))
    for anomaly in archive.anomalies:
        found.note(anomaly, place, kind)
    if torch:
        _take_torch_tar(found, source, place)
    context = Context.TORCH if torch else Context.PLAIN
    for record in archive.records:
        here = place.inside(record.name, level=place.level + 1, context=context)
        if record.problem is not None:
            found.fail(record.problem, here, 0)
        elif not torch or record.name not in _MIXED_MEMBERS:
            found.enter(record.data, here._replace(expected=not torch or record.name == "pickle"))


def _take_torch_tar(found: Collector, source: ByteSource, place: Place) -> None:
    """Take the pickles of torch's oldest layout between which raw numbers stand."""
    from converter.containers.tar_archive import read_tar
    from converter.readers.torch_legacy import blob_opener
    from converter.readers.torch_tar import read_torch_tar

    opened = read_torch_tar(source, found.limits, blob_opener(found.limits))
    last: dict[str, int] = {}
    data = {record.name: record.data for record in read_tar(source, found.limits).records}
    for label, graph in opened.graphs:
        member = label.partition(" at ")[0]
        if member in _MIXED_MEMBERS:
            here = place.inside(label, level=place.level + 1, context=Context.TORCH)
            found.keep(graph, source.nbytes, here)
            last[member] = graph.stop
    if opened.error is not None:
        found.fail(opened.error, place)
        for member in _MIXED_MEMBERS:
            here = place.inside(member, level=place.level + 1, context=Context.TORCH)
            hidden = here._replace(origin=Origin.HIDDEN, expected=False)
            if member in data:
                take_rest(found, data[member], hidden, last.get(member, 0))


_TIGHT_NBYTES: Final = 1 << 20
_TIGHT_RATIO: Final = 100
_NOTABLE_ENDINGS: Final = (*_PICKLE_ENDINGS, _CODE_ENDING, *_NATIVE_ENDINGS)
_NO_CLAIM: Final = Claim("unknown", 0, "", strong=False)
# Of archives in a row each has its own anomalies; these are the file's.
_OF_A_ROW: Final = frozenset(
    {"zip_concatenated", "zip_trailing_bytes", "zip_second_end_record", "zip_end_far"}
)
_HEAD_OFFSETS: Final = (0, 257)
_TORCH_MEMBERS: Final = ("storages", "tensors", "pickle")
# Members in which pickles and raw numbers take turns.
_MIXED_MEMBERS: Final = ("storages", "tensors")

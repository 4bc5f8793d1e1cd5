"""Which kind of file it is: every container states its claim, and two claims are an anomaly.

Only signatures are compared; nothing is parsed. Signatures that belong to a format are strong
claims; a first byte that merely could begin something (a pickle without a header, HTML) is a weak
one, and counts only where nothing else claims the first byte.
"""

from __future__ import annotations

from converter.anomaly import Anomaly
from converter.containers.zip_end import find_end_record
from converter.containers.zip_structures import CENTRAL, END, END_SIGNATURE, LOCAL_SIGNATURE
from converter.frozen import Frozen
from converter.patterns import lazy_pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from converter.byteio.source import ByteSource

_HEAD_NBYTES: Final = 4_096


class Claim(Frozen):
    """One format that the bytes could be.

    Attributes:
        kind: the format's short name, one of `KINDS`.
        offset: where its signature stands.
        detail: what was seen.
        strong: whether the signature belongs to the format alone.
        protocol: of a pickle, 0 to 5 (0 also where it could be 1).
    """

    kind: str
    offset: int
    detail: str
    strong: bool = True
    protocol: int | None = None


class Detection(Frozen):
    """What a file says it is.

    Attributes:
        claims: every claim; the first is the one that torch would follow.
        anomalies: ``two_containers`` if there is more than one strong claim.
    """

    claims: tuple[Claim, ...]
    anomalies: tuple[Anomaly, ...] = ()

    @property
    def kind(self) -> str:
        """The format of the first claim."""
        return self.claims[0].kind

    @property
    def protocol(self) -> int | None:
        """The pickle protocol of the first claim, if it is a pickle."""
        return self.claims[0].protocol


# torch.serialization.MAGIC_NUMBER, 0x1950a86a20f9469cfc6c, as LONG1
_TORCH_MAGIC: Final = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
# How a legacy stream of torch begins → its protocol.
_TORCH_LEGACY: Final = {
    b"\x80\x02" + _TORCH_MAGIC: 2,
    b"\x80\x03" + _TORCH_MAGIC: 3,
    # protocol 4 frames it: FRAME, 8 bytes of length
    b"\x80\x04\x95\x0d\0\0\0\0\0\0\0" + _TORCH_MAGIC: 4,
    b"\x80\x05\x95\x0d\0\0\0\0\0\0\0" + _TORCH_MAGIC: 5,
    # protocols 0 and 1 write it in decimal
    b"L119547037146038801333356L\n.": 0,
}
_LEGACY_STARTS: Final = tuple(_TORCH_LEGACY)

# Formats known by their first bytes, each with where the bytes are laid down.
_SIGNATURES: Final = (
    # caffe2/serialize: the preview-release script container; torch itself refuses it
    ("torch_preview", b"PYTORCH1"),
    # numpy.lib.format: magic prefix
    ("npy", b"\x93NUMPY"),
    # RFC 1952, 2.3.1: ID1 ID2, CM = 8 (deflate)
    ("gzip", b"\x1f\x8b\x08"),
    # xz file format 1.2.1, 2.1.1.1: header magic bytes
    ("xz", b"\xfd7zXZ\x00"),
    # RFC 8878, 3.1.1: magic number 0xFD2FB528, little-endian
    ("zstd", b"\x28\xb5\x2f\xfd"),
    # 7zFormat.txt: kSignature
    ("seven_zip", b"7z\xbc\xaf\x27\x1c"),
    # HDF5 file format specification, III.A: superblock signature
    ("hdf5", b"\x89HDF\r\n\x1a\n"),
    # ggml, docs/gguf.md: magic
    ("gguf", b"GGUF"),
    # git-lfs, docs/spec.md: the first line of a pointer file
    ("git_lfs", b"version https://git-lfs.github.com/spec/"),
)
_SIGNATURE_BYTES: Final = tuple(signature for _, signature in _SIGNATURES)
# bzip2: "BZh", level, then the block magic (pi) or the end-of-stream magic (its root)
_BZIP2_START: Final = b"BZh"
_BZIP2: Final = lazy_pattern(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)")
# RFC 1950, 2.2: CMF 0x78, and FLG such that CMF * 256 + FLG is a multiple of 31
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_HTML: Final = lazy_pattern(rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml|!--)")
# POSIX.1-1988 pax and ustar: magic at 257; GNU tar writes blanks behind it
_TAR_MAGIC: Final = b"ustar"
_TAR_OFFSET: Final = 257

# CPython Lib/pickletools.py: opcodes a pickle can begin with and what must follow each.
_PICKLE_START: Final = lazy_pattern(
    rb"(?s)\(*(?:"
    rb"[NR\]})(\x85\x88\x89\x8f](?=[(\]})\x80-\x9aA-Za-z0-9.])"  # no operand, an opcode follows
    rb"|I-?\d{1,300}\n|L-?\d{1,4300}L?\n|F-?[\d.infae+-]{1,300}\n"
    rb"|[SV][^\n]{0,4000}\n|P[^\n]{1,400}\n|c[\w.]{1,300}\n[\w.]{1,300}\n"
    rb"|i[\w.]{1,300}\n[\w.]{1,300}\n"
    rb"|G.{8}(?=[\x80-\x9a.\w])|J.{4}(?=[\x80-\x9a.\w])|K.(?=[\x80-\x9a.\w])|M..(?=[\x80-\x9a.\w])"
    rb"|[XTB].{3}[\0-\x7f]|[UC\x8a\x8c].|\x8b.{3}\0|[\x8d\x8e\x96].{5}\0{2}"
    rb"|\x95.{5}\0{2}"
    rb")"
)
_PICKLE_PROTOCOLS: Final = range(2, 6)
_FRAME: Final = 0x95
# CPython ends a frame at 64 KiB and leaves long operands out of it (Lib/pickle.py, _Framer).
_MAX_FRAME_NBYTES: Final = 1 << 32
# Opcodes whose operand could cover the rest of a safetensors length (see `_claim_pickle`).
_COVERING: Final = frozenset(b"XTBUC\x8a\x8b\x8c\x8d\x8e\x96")

KINDS: Final = (
    "zip", "torch_preview", "torch_legacy", "tar", "safetensors", "pickle", "npy", "gzip",
    "bzip2", "xz", "zstd", "zlib", "seven_zip", "hdf5", "gguf", "git_lfs", "html", "empty",
    "unknown",
)  # fmt: skip


def detect(source: ByteSource) -> Detection:
    """Ask every format for its claim.

    Returns:
        At least one claim; ``empty`` and ``unknown`` are claims too.

    Raises:
        SourceError: the source cannot be read.
    """
    if source.nbytes == 0:
        return Detection((Claim("empty", 0, "the file has no bytes"),))
    head = source.read_at(0, min(_HEAD_NBYTES, source.nbytes))
    strong = [claim for ask in _CLAIMANTS if (claim := ask(source, head)) is not None]
    if all(claim.offset > 0 and claim.kind == "zip" for claim in strong):
        # What stands before a zip is what a reader from the front sees.
        guesses = [claim for guess in _GUESSERS if (claim := guess(head)) is not None]
        if not strong:
            first = guesses[:1] or [Claim("unknown", 0, f"the first bytes are {head[:8].hex(' ')}")]
            return Detection(tuple(first))
        strong = [*guesses, *strong]
    if len(strong) == 1:
        return Detection(tuple(strong))
    shown = " and ".join(f"{claim.kind} at {claim.offset}" for claim in strong)
    anomaly = Anomaly("two_containers", f"the file is {shown}", offset=strong[1].offset)
    return Detection(tuple(strong), (anomaly,))


def _claim_zip_start(_source: ByteSource, head: bytes) -> Claim | None:
    if head.startswith((LOCAL_SIGNATURE, END_SIGNATURE)):
        return Claim("zip", 0, "it begins with a zip record")
    return None


def _claim_zip_end(source: ByteSource, head: bytes) -> Claim | None:
    """Claim a zip that does not begin at the first byte; its end record decides."""
    if _claim_zip_start(source, head) is not None:
        return None
    offset = find_end_record(source)
    if offset is None:
        return None
    record = END.unpack(source.read_at(offset, END.size))
    count, nbytes, start = record[4:7]
    ones = 0xFFFF_FFFF
    if ones not in (nbytes, start) and (start + nbytes > offset or nbytes < count * CENTRAL.size):
        return None
    return Claim("zip", offset, "it ends with a zip directory")


def _claim_legacy(_source: ByteSource, head: bytes) -> Claim | None:
    if not head.startswith(_LEGACY_STARTS):
        return None
    protocol = next(number for start, number in _TORCH_LEGACY.items() if head.startswith(start))
    return Claim("torch_legacy", 0, "it begins with torch's magic number", protocol=protocol)


def _claim_tar(_source: ByteSource, head: bytes) -> Claim | None:
    if head[_TAR_OFFSET : _TAR_OFFSET + 5] == _TAR_MAGIC:
        return Claim("tar", _TAR_OFFSET, "'ustar' stands at 257")
    return None


def _claim_safetensors(source: ByteSource, head: bytes) -> Claim | None:
    """Claim a header length that fits, and a JSON object behind it."""
    nbytes = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= nbytes <= source.nbytes - 8:
        return Claim("safetensors", 0, f"a header of {nbytes} bytes begins with '{{'")
    return None


def _claim_pickle(source: ByteSource, head: bytes) -> Claim | None:
    """Claim a PROTO opcode and an opcode behind it."""
    if head.startswith(_LEGACY_STARTS):
        return None
    if len(head) > 2 and head[0] == 0x80 and head[1] in _PICKLE_PROTOCOLS:
        frame_nbytes = int.from_bytes(head[3:11], "little") if head[2] == _FRAME else 0
        # The length of a safetensors header may look like PROTO; a pickle could not go on there.
        length = head[5:9] == b"\0\0\0{" and head[2] not in _COVERING
        # A frame longer than the file is that of a pickle that was cut short.
        credible = frame_nbytes <= max(source.nbytes, _MAX_FRAME_NBYTES)
        if head[2] and credible and not length:
            return Claim("pickle", 0, f"PROTO {head[1]}", protocol=head[1])
    return None


def _guess_pickle(head: bytes) -> Claim | None:
    """Claim any opcode that a pickle can begin with, and what follows it."""
    if _PICKLE_START.match(head):
        return Claim("pickle", 0, "it begins with a pickle opcode", strong=False, protocol=0)
    return None


def _claim_signature(_source: ByteSource, head: bytes) -> Claim | None:
    if head.startswith(_SIGNATURE_BYTES):
        for kind, signature in _SIGNATURES:
            if head.startswith(signature):
                return Claim(kind, 0, f"it begins with {signature[:8]!r}")
    if head.startswith(_BZIP2_START) and _BZIP2.match(head):
        return Claim("bzip2", 0, "it begins with a bzip2 block")
    return None


def _guess_stream(head: bytes) -> Claim | None:
    if head.startswith(_ZLIB):
        return Claim("zlib", 0, "it begins with a zlib header", strong=False)
    if _HTML.match(head):
        return Claim("html", 0, "it begins like a web page", strong=False)
    return None


_CLAIMANTS: Final[tuple[Callable[[ByteSource, bytes], Claim | None], ...]] = (
    _claim_zip_start,
    _claim_tar,
    _claim_legacy,
    _claim_safetensors,
    _claim_signature,
    _claim_pickle,
    _claim_zip_end,
)
# Weak claims, which nobody hears where a strong one begins at the first byte.
_GUESSERS: Final[tuple[Callable[[bytes], Claim | None], ...]] = (_guess_stream, _guess_pickle)

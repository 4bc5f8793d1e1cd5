"""What is fuzzed: each parser as a function of bytes, with the files that mutation starts from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Opened
from converter.errors import DepickleError
from converter.inert.machine import read_graph
from converter.inert.walk import walk
from converter.limits import Limits
from converter.readers.bare_pickle import read_bare_pickle
from converter.readers.dcp_metadata import metadata_of
from converter.readers.opening import read_source
from converter.readers.safetensors_source import read_safetensors
from converter.readers.styles import canonical
from converter.readers.torch_legacy import blob_opener, read_torch_legacy
from converter.readers.torch_tar import read_torch_tar
from converter.readers.zip_kinds import read_zip_kind
from converter.strategies.hostile_archives import ARCHIVES
from converter.strategies.hostile_pickles import EXPRESSIONS, STREAMS
from converter.verification.header import read_header
from converter.writing.gather import TensorBytes
from tests.support.small_files import SMALL_FILES

REPOSITORY: Final = Path(__file__).parents[2]

# What no input of a few thousand bytes needs: growth by compression has its own limits and tests.
LIMITS: Final = Limits(
    max_decompressed_bytes=1 << 20, max_inflated_bytes=1 << 20, max_overlap_bytes=1 << 16
)
_MAX_SEED_NBYTES: Final = 1 << 16
_MAX_NUMEL: Final = 1_000


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser under test.

    Attributes:
        name: as the command line of the fuzzer has it.
        read: reads everything there is; raises `DepickleError` for what it cannot read.
        is_seed: whether a file is one to start from, by its content.
    """

    name: str
    read: Callable[[bytes], object]
    is_seed: Callable[[bytes], bool]


def _source(content: bytes) -> MemorySource:
    return MemorySource(content, "input")


def _read_all(opened: Opened) -> None:
    """Give a file the canonical form and read its small tensors."""
    for tensor in canonical(opened, LIMITS).tensors().values():
        if tensor.numel <= _MAX_NUMEL:
            with suppress(DepickleError):
                for _ in TensorBytes(tensor, LIMITS):
                    pass


def _machine(content: bytes) -> None:
    graph = read_graph(_source(content), limits=LIMITS)
    for _ in walk(graph.root):
        pass


def _zip(content: bytes) -> None:
    _read_all(read_zip_kind(_source(content), LIMITS, blob_opener(LIMITS)))


def _legacy(content: bytes) -> None:
    _read_all(read_torch_legacy(_source(content), LIMITS, blob_opener(LIMITS)))


def _tar(content: bytes) -> None:
    _read_all(read_torch_tar(_source(content), LIMITS, blob_opener(LIMITS)))


def _safetensors(content: bytes) -> None:
    with suppress(DepickleError):
        read_header(_source(content), LIMITS)
    _read_all(read_safetensors(_source(content), LIMITS))


def _dcp(content: bytes) -> None:
    opened = read_bare_pickle(_source(content), LIMITS, blob_opener(LIMITS))
    metadata_of(opened.root, "input")


def _file(content: bytes) -> None:
    _read_all(read_source(_source(content), LIMITS))


def _is_pickle(content: bytes) -> bool:
    return content[:1] == b"\x80" or content.endswith(b".")


PARSERS: Final[dict[str, Parser]] = {
    parser.name: parser
    for parser in (
        Parser("machine", _machine, _is_pickle),
        Parser("zip", _zip, lambda content: content[:2] == b"PK"),
        Parser("legacy", _legacy, lambda content: b"\x8a\x0a\x6c\xfc" in content[:20]),
        Parser("tar", _tar, lambda content: content[257:262] == b"ustar"),
        Parser("safetensors", _safetensors, lambda content: content[8:9] == b"{"),
        Parser("dcp", _dcp, lambda content: b"StorageMeta" in content or b"TensorStor" in content),
        Parser("file", _file, lambda _: True),
    )
}


def iter_seeds(parser: Parser) -> Iterator[bytes]:
    """Yield the files that a parser's mutation starts from: ours, the corpus, the samples."""
    yield from (content for content in _made() if parser.is_seed(content))
    folders = [REPOSITORY / "corpus"]
    chosen = os.environ.get("DEPICKLE_SAMPLES")
    folders += [Path(chosen)] if chosen else []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".py" and path.stat().st_size <= _MAX_SEED_NBYTES:
                content = path.read_bytes()
                if parser.is_seed(content):
                    yield content


def _made() -> Iterator[bytes]:
    yield from (make() for make in SMALL_FILES.values())
    yield from STREAMS.values()
    yield from (b"\x80\x02" + pushed + b"." for pushed in EXPRESSIONS.values())
    yield from (make() for make in ARCHIVES.values())
    yield dcp_metadata()


def dcp_metadata() -> bytes:
    """Return the pickle of a distributed checkpoint's metadata, as small as it can be."""
    from tests.support.pickles import text

    home = b"ctorch.distributed.checkpoint.metadata\n"
    size = b"ctorch\nSize\n(K\x04\x85tR"
    properties = home + b"TensorProperties\n)\x81(ctorch\nfloat32\n\x89ctorch\nstrided\n\x89Ntb"
    chunk = home + b"ChunkStorageMetadata\n)\x81}(" + text("offsets") + size
    chunk += text("sizes") + size + b"ub"
    tensor = home + b"TensorStorageMetadata\n)\x81}(" + text("properties") + properties
    tensor += text("size") + size + text("chunks") + b"]" + chunk + b"aub"
    return (
        b"\x80\x02" + home + b"Metadata\n)\x81}(" + text("state_dict_metadata")
        + b"}" + text("w") + tensor + b"s" + text("planner_data") + b"N"
        + text("storage_data") + b"}ub."
    )  # fmt: skip

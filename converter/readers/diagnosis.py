"""Says in one sentence why a file is no checkpoint that can be read, or is not what its name says.

Each diagnosis is an error with a code of its own; what to do about it is the command line's to say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.anomaly import Anomaly
from converter.checkpoint.canonical import Note
from converter.errors import ContainerError, FormatError, UnsupportedError
from converter.inert.nodes import ByteString, ListNode
from converter.readers.persistent_storages import claimed_storages

if TYPE_CHECKING:
    from collections.abc import Callable

    from converter.byteio.source import ByteSource
    from converter.checkpoint.canonical import Opened
    from converter.limits import Limits

_HEAD_NBYTES: Final = 4_096
_SHOWN_CHARACTERS: Final = 40
_CHECKPOINT: Final = "a checkpoint"
_LFS_OID: Final = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)
_LFS_NBYTES: Final = re.compile(rb"^size ([0-9]{1,19})$", re.MULTILINE)
_TITLE: Final = re.compile(r"<title[^>]*>\s*([^<]{1,80}?)\s*<", re.IGNORECASE)
_PRINTABLE: Final = re.compile(r"[\t\n\r\x20-\x7e\x80-\U0010ffff]*")
_LZ4_MAGIC: Final = b"\x04\x22\x4d\x18"

# Kinds that are recognised and hold nothing this version reads: phrase, what it is, code.
_OTHERS: Final = {
    "zstd": ("zstd-compressed file", "a zstd frame", "zstd_compressed"),
    "seven_zip": ("7z archive", "the signature of 7-Zip", "seven_zip"),
    "hdf5": ("HDF5 file", "the signature of HDF5 (Keras, PyTables, …)", "hdf5_file"),
    "gguf": ("GGUF file", "the signature of GGUF (llama.cpp)", "gguf_file"),
    "torch_preview": (
        "script container of a preview release of torch",
        "PYTORCH1, which no release of torch loads",
        "torch_preview",
    ),
}

# What a name promises by its ending: the containers it may hold.
_TORCH: Final = frozenset({"zip", "legacy", "tar", "pickle"})
_SUFFIXES: Final = {
    ".safetensors": frozenset({"safetensors"}),
    ".npy": frozenset({"npy"}),
    ".npz": frozenset({"npz"}),
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".tar"), _TORCH),
    ".joblib": frozenset({"pickle"}),
}
_PACKED_SUFFIXES: Final = (".gz", ".bz2", ".xz", ".lzma", ".z")


def unreadable(source: ByteSource, kind: str) -> FormatError:
    """Return why no reader takes a file of this kind.

    Args:
        source: the file.
        kind: what detection called it.
    """
    diagnose = _DIAGNOSES.get(kind)
    if diagnose is not None:
        return diagnose(source)
    if kind in _OTHERS:
        return _other(source, *_OTHERS[kind])
    return _unknown(source)


def _other(source: ByteSource, what: str, found: str, code: str) -> FormatError:
    return UnsupportedError(
        what,
        source=source.name,
        expected="a checkpoint in a format that is read here",
        found=found,
        code=code,
    )


def _empty(source: ByteSource) -> FormatError:
    return ContainerError(
        "empty file", source=source.name, expected=_CHECKPOINT, found="0 bytes", code="empty_file"
    )


def _git_lfs(source: ByteSource) -> FormatError:
    head = _head(source)
    oid, nbytes = _LFS_OID.search(head), _LFS_NBYTES.search(head)
    wanted = f"{nbytes[1].decode()} bytes" if nbytes else "the file"
    if oid:
        wanted += f" with sha256 {oid[1].decode()}"
    return ContainerError(
        "git-LFS pointer in place of the file",
        source=source.name,
        expected=wanted,
        found=f"{source.nbytes} bytes that only name them",
        code="git_lfs_pointer",
    )


def _html(source: ByteSource) -> FormatError:
    title = _TITLE.search(_head(source).decode("utf-8", "replace"))
    return ContainerError(
        "web page in place of a checkpoint",
        source=source.name,
        expected=_CHECKPOINT,
        found=f"a page titled {title[1]!r}" if title else f"{source.nbytes} bytes of HTML",
        code="html_page",
    )


def _unknown(source: ByteSource) -> FormatError:
    head = _head(source)
    if head.startswith(_LZ4_MAGIC):
        return _other(source, "lz4-compressed file", "an lz4 frame", "lz4_compressed")
    text = _text_of(head)
    if not head.strip(b"\0"):
        what, found, code = "file of zeros", f"zeros in its first {len(head)} bytes", "zeros_file"
    elif text is not None and _PRINTABLE.fullmatch(text):
        found = repr(text[:_SHOWN_CHARACTERS])
        what, code = "text in place of a checkpoint", "text_file"
    else:
        what, found, code = (
            "file of no known format",
            f"bytes {head[:8].hex(' ')}",
            "unknown_format",
        )
    return ContainerError(what, source=source.name, expected=_CHECKPOINT, found=found, code=code)


_DIAGNOSES: Final[dict[str, Callable[[ByteSource], FormatError]]] = {
    "empty": _empty,
    "git_lfs": _git_lfs,
    "html": _html,
}


def is_no_pickle(opened: Opened) -> bool:
    """Return whether what was read as a pickle failed before it named or called anything.

    Only for files that merely could be pickles: text that happens to begin with an opcode.
    """
    graphs = [graph for _, graph in opened.graphs]
    quiet = not any(graph.globals or graph.calls or graph.extensions for graph in graphs)
    return opened.error is not None and quiet


def tell_missing_bytes(opened: Opened, limits: Limits) -> None:
    """Say of a truncated legacy stream how many bytes are missing, if its pickles are whole."""
    graphs = dict(opened.graphs)
    main, keys = graphs.get("object"), graphs.get("storage keys")
    if opened.error is None or main is None or keys is None:
        return
    if main.error is not None or not isinstance(keys.root, ListNode):
        return
    claims = claimed_storages(main, limits)
    total = keys.stop
    for key in keys.root.items:
        text = key.decode("latin-1") if isinstance(key, ByteString) else key
        claim = claims.get(text) if isinstance(text, str) else None
        total += 8 + (claim.nbytes if claim else 0)
    missing = total - opened.source.nbytes
    if missing > 0:
        opened.error = ContainerError(
            "legacy stream is truncated",
            source=opened.source.name,
            offset=opened.source.nbytes,
            expected=f"{total} bytes",
            found=f"{opened.source.nbytes}, {missing} are missing",
            code="legacy_truncated",
        )


def note_name(opened: Opened, name: str) -> None:
    """Note a file name whose ending promises something else."""
    lowered = name.lower()
    for packed in _PACKED_SUFFIXES:
        lowered = lowered.removesuffix(packed)
    suffix = next((suffix for suffix in _SUFFIXES if lowered.endswith(suffix)), None)
    if suffix is None or opened.container in _SUFFIXES[suffix]:
        return
    found = _CONTAINERS.get(opened.container, opened.container)
    text = f"the name ends in {suffix} and the bytes are {found}"
    opened.notes.append(Note("wrong_extension", text))
    if opened.graphs and "pickle" not in _SUFFIXES[suffix]:
        detail = f"a file called {suffix} is expected to hold no pickle"
        opened.anomalies.append(Anomaly("pickle_under_other_name", detail))


_CONTAINERS: Final = {
    "zip": "a zip archive of torch",
    "legacy": "a legacy stream of torch.save",
    "tar": "a tar archive of torch",
    "pickle": "a plain pickle",
    "safetensors": "safetensors",
    "npy": "a numpy array",
    "npz": "a zip archive of numpy arrays",
}


def note_text_ids(opened: Opened) -> None:
    """Note that a torch file was pickled with protocol 0, which torch.load cannot read."""
    if opened.container not in ("zip", "legacy"):
        return
    if any(type(node.pid) is str for _, graph in opened.graphs for node in graph.persistent):
        text = "pickled with protocol 0: torch.save writes that, and torch.load cannot read it"
        opened.notes.append(Note("protocol_0", text))


def _text_of(head: bytes) -> str | None:
    """Return bytes as UTF-8 text, less a character that is cut at their end, or None."""
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = len(head) == _HEAD_NBYTES and error.start > len(head) - 4
        return head[: error.start].decode("utf-8") if cut else None


def _head(source: ByteSource) -> bytes:
    return source.read_at(0, min(_HEAD_NBYTES, source.nbytes))

"""Fingerprints of content: equal for the same weights, whatever file, order or names they have.

``docs/fingerprint.md`` is the definition, in words and as a program of its own. What is hashed
here is part of the version: a change of it, even of one byte, is a new version.
"""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.limits import DEFAULT_LIMITS
from converter.progress import SilentProgress
from converter.verification.boxes import iter_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from converter.checkpoint.canonical import Checkpoint
    from converter.checkpoint.tensor import TensorRef
    from converter.limits import Limits
    from converter.progress import Progress

TENSOR_HEAD: Final = "depickle/tensor-v1"
WEIGHTS_HEAD: Final = "depickle/weights-v1"
NAMED_HEAD: Final = "depickle/named-v1"

WRAPPER_PARTS: Final = frozenset(
    {
        "module",
        "_orig_mod",
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
        "_forward_module",
    }
)
"""Parts of names that wrappers add and version 1 leaves out of them; fixed with the version."""

_THREADS: Final = 2
# Below this many bytes in all, starting a thread costs more than it saves.
_ALONE_NBYTES: Final = 1 << 26


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a set of tensors comes to, as lower-case hex of sha256.

    Attributes:
        weights: of dtypes, shapes and values alone; names and order have no part in it.
        named: of the same, each with its name without the parts that wrappers add.
        tensor_count: tensors that took part; one under two names counts twice.
        without_bytes: tensors that could not, because the input has no bytes of them.
    """

    weights: str
    named: str
    tensor_count: int
    without_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CheckpointFingerprint:
    """The fingerprints of a checkpoint.

    Attributes:
        whole: of all its tensors, by their full names.
        components: component's name → of its tensors, by their names in it.
    """

    whole: Fingerprint
    components: Mapping[str, Fingerprint]


def fingerprint_of(
    checkpoint: Checkpoint,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> CheckpointFingerprint:
    """Return the fingerprints of a checkpoint; reads every byte of its tensors once.

    Args:
        checkpoint: of any kind.
        progress: told of bytes hashed.
        limits: caps on overlaps and working memory.

    Raises:
        SourceError: it cannot be read.
        FormatError: a tensor lies outside its storage, or has a view that cannot be resolved.
    """
    places = [
        (component, name) for component in checkpoint.components for name in component.tensors
    ]
    named = [(checkpoint.full_name(one, name), one.tensors[name]) for one, name in places]
    digests = tensor_digests(named, progress, limits)
    components: dict[str, list[tuple[str, str | None]]] = {
        component.name: [] for component in checkpoint.components
    }
    for (component, name), digest in zip(places, digests, strict=True):
        components[component.name].append((name, digest))
    return CheckpointFingerprint(
        combine([(name, digest) for (name, _), digest in zip(named, digests, strict=True)]),
        {name: combine(own) for name, own in components.items()},
    )


def tensor_digests(
    tensors: Sequence[tuple[str, TensorRef]],
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[str | None]:
    """Return the digest of each of the named tensors, None for one without bytes.

    Exact aliases are read once.

    Raises:
        SourceError, FormatError: as in `fingerprint_of`.
    """
    watched = progress or SilentProgress()
    first: dict[tuple[object, ...], tuple[str, TensorRef]] = {}
    for name, tensor in tensors:
        if has_bytes(tensor):
            first.setdefault(tensor.view_key(), (name, tensor))
    total = sum(tensor.nbytes for _, tensor in first.values())
    lock = threading.Lock()

    def advance(nbytes: int) -> None:
        with lock:
            watched.advance(nbytes)

    def digest(named: tuple[str, TensorRef]) -> str:
        return tensor_digest(named[1], limits, named[0], advance)

    watched.begin("hashing", total)
    if total < _ALONE_NBYTES:
        found = dict(zip(first, map(digest, first.values()), strict=True))
    else:
        with ThreadPoolExecutor(_THREADS, "depickle-hash") as pool:
            found = dict(zip(first, pool.map(digest, first.values()), strict=True))
    watched.end()
    return [found.get(tensor.view_key()) for _, tensor in tensors]


def tensor_digest(
    tensor: TensorRef,
    limits: Limits = DEFAULT_LIMITS,
    where: str = "tensor",
    advance: Callable[[int], None] | None = None,
) -> str:
    """Return the sha256 of one tensor: its dtype, its shape, its values in row-major order.

    Args:
        tensor: it must have bytes, or no elements.
        limits: caps on overlaps and working memory.
        where: what messages call it.
        advance: told of bytes hashed.

    Raises:
        SourceError, FormatError: as in `fingerprint_of`.
    """
    shape = json.dumps(list(tensor.shape), separators=(",", ":"))
    digest = hashlib.sha256(f"{TENSOR_HEAD} {tensor.dtype.name} {shape}\n".encode())
    if tensor.numel:
        for piece in iter_values(tensor, limits, where):
            digest.update(piece)
            if advance is not None:
                advance(piece.nbytes)
    return digest.hexdigest()


def combine(digests: Sequence[tuple[str, str | None]]) -> Fingerprint:
    """Return the fingerprint of tensors: (name, digest), None for one without bytes."""
    here = [(name, digest) for name, digest in digests if digest is not None]
    return Fingerprint(
        weights=_of_lines(WEIGHTS_HEAD, (digest for _, digest in here)),
        named=_of_lines(
            NAMED_HEAD, (f"{digest} {json.dumps(plain_name(name))}" for name, digest in here)
        ),
        tensor_count=len(here),
        without_bytes=len(digests) - len(here),
    )


def plain_name(name: str) -> str:
    """Return a name without the parts that wrappers add; the last part always stays."""
    *modules, own = name.split(".")
    return ".".join([*(part for part in modules if part not in WRAPPER_PARTS), own])


def has_bytes(tensor: TensorRef) -> bool:
    """Return whether the input holds a tensor's elements; it does if there are none."""
    return tensor.storage.data is not None or not tensor.nbytes


def _of_lines(head: str, lines: Iterable[str]) -> str:
    digest = hashlib.sha256(f"{head}\n".encode())
    for line in sorted(lines):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()

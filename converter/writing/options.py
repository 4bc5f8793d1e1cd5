"""What a caller may choose about an output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Choices about an output; the defaults change no name and leave nothing out.

    Names are matched and changed inside their component: first `strip_parts`, then
    `strip_prefixes`, in the order given, each at most once; then the first of `renames` that
    applies.

    Attributes:
        components: names of the components to write; None for all of them.
        strip_parts: whole dotted parts to remove wherever they stand (``_orig_mod``).
        strip_prefixes: leading whole dotted parts to remove, with or without the last dot.
        renames: (old, new); old is a whole name or a leading run of whole dotted parts.
        include: patterns as in `fnmatch.fnmatchcase`; a tensor must match one of them, by its
            name inside the component or by its full source name. Empty for every tensor.
        exclude: patterns of the same kind; a tensor must match none of them.
        plain: metadata ``{"format": "pt"}`` and nothing else: aliases are written in full under
            every name, and what safetensors has no type for is refused.
        folder: one file per component, under bare names, instead of one file.
        max_shard_nbytes: of a folder: a component with more bytes of tensors than this goes to
            several files and an index (`converter.writing.shards`); None for one file each.
    """

    components: tuple[str, ...] | None = None
    strip_prefixes: tuple[str, ...] = ()
    strip_parts: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    plain: bool = False
    folder: bool = False
    max_shard_nbytes: int | None = None


DEFAULT_OPTIONS: Final = WriteOptions()

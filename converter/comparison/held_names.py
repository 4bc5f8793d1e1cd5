"""Opens a checkpoint by the names that its file holds.

A converted file remembers the names of its source; ``load_state_dict`` is given those that the
options of the conversion made of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from converter.byteio.local import FileSource
from converter.readers.opening import open_checkpoint, read_source
from converter.readers.styles import canonical

if TYPE_CHECKING:
    from os import PathLike

    from converter.checkpoint.canonical import Checkpoint
    from converter.limits import Limits


def open_as_held(path: str | PathLike[str], limits: Limits) -> Checkpoint:
    """Open a checkpoint; a safetensors file with names of its own by these.

    Raises:
        SourceError: it cannot be read.
        FormatError: it is no checkpoint that can be read whole.
    """
    checkpoint = open_checkpoint(path, limits=limits)
    try:
        _check_whole(checkpoint)
        if checkpoint.opened.container != "safetensors" or os.path.isdir(path):  # noqa: PTH112
            return checkpoint
        plain = _without_document(path, limits)
    except BaseException:
        checkpoint.close()
        raise
    known = {n for n, tensor in checkpoint.tensors().items() if not tensor.storage.left_out}
    if plain.tensors().keys() == known:
        plain.close()
        return checkpoint
    checkpoint.close()
    return plain


def _check_whole(checkpoint: Checkpoint) -> None:
    if checkpoint.opened.error is not None:
        raise checkpoint.opened.error


def _without_document(path: str | PathLike[str], limits: Limits) -> Checkpoint:
    source = FileSource(path)
    try:
        return canonical(read_source(source, limits), limits)
    except BaseException:
        source.close()
        raise

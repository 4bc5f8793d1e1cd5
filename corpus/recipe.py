"""What a recipe is: how one file of the corpus is made, and what is expected of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

Verdict: TypeAlias = Literal["safe", "unknown", "suspicious", "dangerous", "unreadable"]

Tensors: TypeAlias = Mapping[str, Any]
"""Name in a component → the ``torch.Tensor`` or ``numpy.ndarray`` that was written."""

Contents: TypeAlias = Mapping[str, Tensors]
"""Component → its tensors, in the order in which they are to be found."""

Write: TypeAlias = Callable[[Path], Contents | None]
"""Writes the file and says what is in it; None where it holds no tensors that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One file, or one folder, of the corpus.

    Attributes:
        write: makes it; the same bytes every time.
        shows: what it is there for, in one sentence.
        verdict: what is to be thought of it; None where nobody has judged yet.
        container: which kind of file it is found to be; None where it is refused.
        style: which style of checkpoint; None where it is refused.
        message: the one sentence with which it is refused; ``@@FILE@@`` stands for its path.
    """

    write: Write
    shows: str
    verdict: Verdict | None
    container: str | None = None
    style: str | None = None
    message: str | None = None

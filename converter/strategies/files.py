"""Files of checkpoints, with the live object that each of them holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from converter.strategies.arguments import check_choice, check_choices
from converter.strategies.checkpoints import STYLES, checkpoints
from converter.strategies.saving import big_endian, repacked, saved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from hypothesis.strategies import DrawFn, SearchStrategy

FORMS: Final[tuple[str, ...]] = ("zip", "legacy", "repacked", "big_endian")
"""How `checkpoint_files` writes: as torch does, as it did before 1.6, packed again, big-endian."""

PROTOCOLS: Final[tuple[int, ...]] = (2, 3, 4, 5)
"""Pickle protocols of `checkpoint_files`."""

_SHOWN: Final = ("style", "form", "protocol", "deflated")


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """A file, and what it holds.

    Attributes:
        content: its bytes.
        value: the live object that was saved.
        style: one of `STYLES`.
        form: one of `FORMS`.
        protocol: of its pickle.
        deflated: whether its records are compressed.
    """

    content: bytes = field(repr=False)
    value: Any
    style: str
    form: str = "zip"
    protocol: int = 2
    deflated: bool = False

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ANN401, FBT001 - IPython's protocol, which Hypothesis follows
        """Show an example without its bytes."""
        facts = (f"{name}={getattr(self, name)!r}" for name in _SHOWN)
        printer.text("CheckpointFile(value=")
        printer.pretty(self.value)
        printer.text(f", {', '.join(facts)})")

    @property
    def is_big_endian(self) -> bool:
        """Return whether the elements lie most significant byte first."""
        return self.form == "big_endian"

    @property
    def weights_only(self) -> bool:
        """Return whether ``torch.load(weights_only=True)`` could read such a file at all.

        It refuses the pickle protocols 4 and 5 and whole models. What it thinks of loose values
        is another question.
        """
        return self.protocol < 4 and self.style == "state_dict"

    def write(self, folder: str | PathLike[str], *, name: str = "checkpoint.pt") -> Path:
        """Write the file into a folder and return its path."""
        path = Path(folder) / name
        path.write_bytes(self.content)
        return path


def checkpoint_files(
    *,
    style: str | None = None,
    forms: Sequence[str] | None = None,
    protocols: Sequence[int] = PROTOCOLS,
) -> SearchStrategy[CheckpointFile]:
    """Generate files that hold what `checkpoints` makes.

    Examples shrink towards the file that today's ``torch.save`` writes, of the smallest object.

    Args:
        style: one of `STYLES`; None for any of them.
        forms: some of `FORMS`; None for all of them. Files of form ``big_endian`` are what a
            big-endian machine would have written, which torch itself misreads for some dtypes
            (see `CheckpointFile.is_big_endian`); they always have protocol 2.
        protocols: some of `PROTOCOLS`.
    """
    return _files(style, forms, protocols)


@st.composite
def _files(
    draw: DrawFn, style: str | None, forms: Sequence[str] | None, protocols: Sequence[int]
) -> CheckpointFile:
    kind = draw(st.sampled_from(check_choice("style", style, STYLES)))
    form = draw(st.sampled_from(check_choices("forms", forms, FORMS)))
    if not protocols or not set(protocols) <= set(PROTOCOLS):
        msg = f"protocols={protocols!r} must be a sequence of some of {PROTOCOLS}"
        raise InvalidArgument(msg)
    protocol = 2 if form == "big_endian" else draw(st.sampled_from(protocols))
    deflated = draw(st.booleans()) if form == "repacked" else False
    value = draw(checkpoints(style=kind))
    content = saved(value, legacy=form == "legacy", protocol=protocol)
    if form == "big_endian":
        content = big_endian(content)
    elif form == "repacked":
        content = repacked(content, deflate=deflated, root=draw(st.sampled_from(["a", "my model"])))
    return CheckpointFile(content, value, kind, form, protocol, deflated)

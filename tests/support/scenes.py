"""Conversions that are to be disturbed, and what may be found after one was."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from converter.byteio import temporaries
from converter.conversion import ConversionSettings, convert_checkpoint
from converter.limits import Limits
from converter.writing.options import WriteOptions
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from converter.progress import Progress
    from converter.reporting.documents import ConversionReport

Kind = Literal["file", "sidecar", "folder"]
KINDS: Final[tuple[Kind, ...]] = ("file", "sidecar", "folder")
CORPUS: Final = REPOSITORY / "corpus"
# Read by pread, copied by the kernel, gathered from strides: all ways of the bytes.
NEW: Final = CORPUS / "state_dict" / "views.pt"
OLD: Final = CORPUS / "state_dict" / "linear.pt"
_SOURCE: Final = "source.pt"
# Every document goes to a file of its own; a copy takes several steps.
_BESIDE: Final = Limits(max_embedded_document_bytes=0, copy_chunk_bytes=256)
_INSIDE: Final = Limits(copy_chunk_bytes=256)

Tree = dict[str, bytes]


@dataclass
class Scene:
    """A folder with a source, perhaps with an older output, and what is to appear there.

    Attributes:
        folder: where everything happens.
        kind: a file, a file with a sidecar, or a folder.
        replace: whether there is an older output, which may be replaced.
        original: the checkpoint that the source is a copy of.
        before: what the output was at the beginning, by name.
        complete: what it is at the end.
    """

    folder: Path
    kind: Kind
    replace: bool
    original: Path = NEW
    before: Tree = field(init=False)
    complete: Tree = field(init=False)

    def __post_init__(self) -> None:
        """Convert once without disturbance."""
        self.folder.mkdir()
        elsewhere = self.folder.with_name(f"{self.folder.name}-elsewhere")
        self._old = elsewhere / "old"
        for place, source in ((self._old, OLD), (elsewhere / "new", self.original)):
            place.mkdir(parents=True)
            shutil.copyfile(source, place / _SOURCE)
            self.convert(folder=place)
        self.complete = self._tree(elsewhere / "new")
        self.before = self._tree(self._old) if self.replace else {}
        self._source = self.original.read_bytes()
        self.reset()

    @property
    def source(self) -> Path:
        """Return what is converted."""
        return self.folder / _SOURCE

    @property
    def target(self) -> Path:
        """Return the name of the output."""
        return self.folder / self._target_name

    @property
    def _target_name(self) -> str:
        return target_name(self.kind)

    def reset(self) -> None:
        """Make everything as it was at the beginning."""
        shutil.rmtree(self.folder)
        if self.replace:
            shutil.copytree(self._old, self.folder)
        else:
            self.folder.mkdir()
        self.source.write_bytes(self._source)
        self._status = self.source.stat()

    def convert(
        self, *, folder: Path | None = None, progress: Progress | None = None
    ) -> ConversionReport:
        """Convert the source, replacing what is there if there may be something."""
        place = folder if folder is not None else self.folder
        return convert_in(place, self.kind, replace=self.replace, progress=progress)

    def source_is_untouched(self) -> bool:
        """Return whether the source has its bytes, its number and its time."""
        now = self.source.stat()
        same = (now.st_ino, now.st_mtime_ns) == (self._status.st_ino, self._status.st_mtime_ns)
        return same and self.source.read_bytes() == self._source

    def state(self) -> str:
        """Return what the output is: ``absent``, ``before``, ``complete`` or ``broken``.

        A file counts with the sidecar that it refers to.
        """
        found = self._tree(self.folder)
        if not self.target.exists():
            return "absent"
        for name, tree in (("before", self.before), ("complete", self.complete)):
            if tree and all(found.get(path) == content for path, content in tree.items()):
                return name
        return "broken"

    def old_output_is_kept(self) -> bool:
        """Return whether what was replaced is there, or beside it until the next run."""
        aside = [path for path in self.folder.iterdir() if path.name.endswith(".depickle-old")]
        return any(
            {f"{self._target_name}/{name}": content for name, content in _files(path).items()}
            == self.before
            for path in aside
        )

    def is_tidy(self) -> bool:
        """Return whether nothing is there but the source and the output, as it was or is."""
        found = {path.name for path in self.folder.iterdir()} - {_SOURCE}
        whole = self._tree(self.folder)
        tops = {name.partition("/")[0] for name in whole}
        return found == tops and whole in (self.before, self.complete)

    def check(self) -> None:
        """Check what must hold at every moment, and that another run ends well and tidies up."""
        assert self.source_is_untouched()
        state = self.state()
        if state == "absent" and self.replace:
            assert self.old_output_is_kept(), self.listing()
            temporaries.remove_abandoned(self.target)
            state = self.state()
        allowed = {"complete", "before" if self.replace else "absent"}
        assert state in allowed, (state, self.listing())
        if not self.is_tidy():
            self.rerun(state)

    def rerun(self, state: str) -> None:
        """Convert again without disturbance; what is complete may be refused, but is tidied."""
        if state == "complete" and not self.replace:
            # The next one may be anybody's: that of a person who allows to replace.
            self.replace = True
            try:
                self.convert()
            finally:
                self.replace = False
        else:
            self.convert()
        assert self.state() == "complete", self.listing()
        assert self.is_tidy(), self.listing()

    def listing(self) -> list[str]:
        """Return every name below the folder, for messages."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))

    def _tree(self, place: Path) -> Tree:
        """Return what is visible in a folder apart from the source."""
        return {
            name: content
            for name, content in _files(place).items()
            if name != _SOURCE and not name.startswith(".")
        }


def target_name(kind: Kind) -> str:
    """Return what an output of that kind is called."""
    return "out" if kind == "folder" else "out.safetensors"


def convert_in(
    folder: Path, kind: Kind, *, replace: bool, progress: Progress | None = None
) -> ConversionReport:
    """Convert the source in a folder."""
    return convert_checkpoint(
        folder / _SOURCE,
        folder / target_name(kind),
        options=WriteOptions(folder=kind == "folder"),
        settings=ConversionSettings(
            replace=replace, limits=_BESIDE if kind == "sidecar" else _INSIDE
        ),
        progress=progress,
    )


def _files(folder: Path) -> Tree:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

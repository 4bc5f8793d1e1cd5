"""Writes a planned output under its final name, complete or not at all.

The order of a single file with a sidecar, and what a crash leaves at each step:

1. The file is written under a temporary name and flushed. A crash leaves what was there before.
2. The sidecar appears, under a name that its content decides. A crash leaves, beside what was
   there before, a sidecar that nothing refers to. An output that is about to be replaced keeps
   its own: another content has another name.
3. The file appears. It is never there without its sidecar: the sidecar came first.
4. Sidecars that no file refers to any more are removed: that of the output which was replaced,
   and those that crashes left. A crash leaves some of them to the next run.

A folder appears with everything in it, by one rename.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from converter.byteio.sink import AtomicFile, AtomicFolder
from converter.errors import PlanError
from converter.limits import DEFAULT_LIMITS
from converter.progress import SilentProgress
from converter.writing.safetensors_file import write_file
from converter.writing.sidecar import SidecarFile, remove_unreferenced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from converter.limits import Limits
    from converter.progress import Progress
    from converter.writing.layout import OutputPlan, ShardIndex, Sidecar

    Check: TypeAlias = Callable[[Mapping[str, Path]], None]


def write_output(
    plan: OutputPlan,
    destination: Path,
    *,
    replace: bool = False,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
    check: Check | None = None,
) -> None:
    """Write `plan` to `destination`: a file, or a folder if the plan is one.

    Args:
        plan: what to write.
        destination: the final name. A file with a sidecar must have the name it was planned
            with, because its metadata holds the sidecar's.
        replace: whether what exists there may be replaced.
        progress: told of every byte written, in one phase; None for nobody.
        limits: sizes of buffers.
        check: called with file name → path of what was written, before any of it gets its final
            name; what it raises keeps the output from appearing.

    Raises:
        PlanError: `destination` has another name than the one in the plan.
        SinkError: the output cannot be written, or exists and `replace` is false.
        SourceError: a tensor cannot be read.
    """
    watcher = progress if progress is not None else SilentProgress()
    stage = _stage_folder if plan.folder else _stage_single
    with stage(plan, destination, watcher, limits, replace=replace) as written:
        if check is not None:
            check(written)


@contextmanager
def _stage_folder(
    plan: OutputPlan, destination: Path, progress: Progress, limits: Limits, *, replace: bool
) -> Iterator[dict[str, Path]]:
    """Write a folder under its temporary name; it is published when the block ends well."""
    with AtomicFolder(destination, replace=replace) as folder:
        with _phase(plan, progress):
            for file in plan.files:
                # By a rename, as nobody else writes here: a link could leave its other name.
                with AtomicFile(folder.path / file.file_name, replace=True) as sink:
                    write_file(file, sink, progress, limits)
        beside_them: list[Sidecar | ShardIndex] = [*plan.indexes]
        if plan.sidecar is not None:
            beside_them.append(plan.sidecar)
        for beside in beside_them:
            with AtomicFile(folder.path / beside.file_name, replace=True) as sink:
                sink.write_at(0, beside.content)
        yield {file.file_name: folder.path / file.file_name for file in plan.files}


@contextmanager
def _stage_single(
    plan: OutputPlan, destination: Path, progress: Progress, limits: Limits, *, replace: bool
) -> Iterator[dict[str, Path]]:
    """Write a file under its temporary name; it is published when the block ends well."""
    (file,) = plan.files
    beside = None
    if plan.sidecar is not None:
        if destination.name != file.file_name:
            msg = f"cannot write: {destination}: expected the planned name {file.file_name!r}"
            raise PlanError(msg)
        beside = SidecarFile(plan.sidecar, destination, replace=replace)
    try:
        with AtomicFile(destination, replace=replace) as sink:
            with _phase(plan, progress):
                write_file(file, sink, progress, limits)
            yield {file.file_name: sink.written_path}
            if beside is not None:
                sink.flush()
                beside.publish()
    except BaseException:
        remove_unreferenced(destination, None, limits)
        raise
    published = plan.sidecar.file_name if plan.sidecar is not None else None
    remove_unreferenced(destination, published, limits)


@contextmanager
def _phase(plan: OutputPlan, progress: Progress) -> Iterator[None]:
    progress.begin("writing", sum(file.nbytes for file in plan.files))
    try:
        yield
    finally:
        progress.end()

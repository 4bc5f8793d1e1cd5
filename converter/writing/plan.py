"""The plan of an output: every file, name, type and offset, before any tensor is read."""

from __future__ import annotations

from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

from converter.errors import LimitError, PlanError
from converter.writing.aliases import FORMAT_KEY, find_aliases
from converter.writing.document import attach_document
from converter.writing.encoding import Encoded, encode_type
from converter.writing.header import encode_header, sort_key
from converter.writing.layout import AliasPlan, EntryPlan, FilePlan, OutputPlan, ShardIndex
from converter.writing.names import Renamed, assign_names, file_names
from converter.writing.selection import Candidate, select_tensors
from converter.writing.shards import check_size, divide, shard_index, shard_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from converter.checkpoint.canonical import Checkpoint
    from converter.limits import Limits
    from converter.writing.options import WriteOptions


def plan_output(
    checkpoint: Checkpoint,
    options: WriteOptions,
    limits: Limits,
    *,
    file_name: str = "model.safetensors",
    document: str | None = None,
) -> OutputPlan:
    """Decide everything about an output, without reading a tensor.

    Args:
        checkpoint: what to write.
        options: what the user chose.
        limits: caps; here on the headers.
        file_name: the name of a single output file. A folder's files are named for their
            components.
        document: JSON text to keep with the tensors, as `attach_document` does. A document that
            speaks of the plan is attached to the finished plan instead.

    Raises:
        PlanError: the options match nothing or make two names one, or `options.plain` asks for
            a type that safetensors cannot say.
        UnsupportedError: a tensor's bytes are not known to this version.
        LimitError: a header would be longer than readers accept, or a folder would have more
            files than are read again.
    """
    check_size(options)
    candidates, left_out = select_tensors(checkpoint, options)
    whole = [(file_name, candidates)]
    groups = _by_component(checkpoint, candidates) if options.folder else whole
    files: list[FilePlan] = []
    renamed: list[Renamed] = []
    indexes: list[ShardIndex] = []
    for name, members in groups:
        parts, changes = _plan_files(name, members, options, limits)
        files += parts
        renamed += changes
        indexes += [shard_index(name, parts)] if len(parts) > 1 else []
    if options.folder:
        _check_files(files, limits)
    plan = OutputPlan(
        tuple(files),
        tuple(left_out),
        tuple(renamed),
        options.folder,
        options.plain,
        indexes=tuple(indexes),
    )
    return plan if document is None else attach_document(plan, document, limits)


def _by_component(
    checkpoint: Checkpoint, candidates: Sequence[Candidate]
) -> list[tuple[str, list[Candidate]]]:
    """Divide candidates by component; one without tensors gets no file."""
    members: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        members.setdefault(id(candidate.component), []).append(candidate)
    present = [component for component in checkpoint.components if id(component) in members]
    names = file_names(component.name for component in present)
    return [(name, members[id(part)]) for name, part in zip(names, present, strict=True)]


def _check_files(files: Sequence[FilePlan], limits: Limits) -> None:
    """Refuse a folder that could not be written, or not be read again."""
    if len(files) > limits.max_folder_files:
        raise LimitError("max_folder_files", allowed=limits.max_folder_files, found=len(files))
    seen: set[str] = set()
    for file in files:
        # A component may be called what a file of another one is called.
        if file.file_name.casefold() in seen:
            msg = f"two files would get one name: {file.file_name!r}: expected other shards"
            raise PlanError(msg)
        seen.add(file.file_name.casefold())


def _plan_files(
    file_name: str, candidates: Sequence[Candidate], options: WriteOptions, limits: Limits
) -> tuple[list[FilePlan], list[Renamed]]:
    names, renamed = assign_names(candidates)
    named = list(zip(names, candidates, strict=True))
    aliases = {} if options.plain else find_aliases([(name, one.tensor) for name, one in named])
    kept = [
        (name, one, _encode(one, plain=options.plain)) for name, one in named if name not in aliases
    ]
    shards = [kept]
    if options.max_shard_nbytes is not None:
        shards = divide(kept, lambda one: one[2].nbytes, options.max_shard_nbytes)
    dropped = [
        AliasPlan(name, aliases[name], one.source_name, one.component.name, one.key, one.tensor)
        for name, one in (sorted(named, key=itemgetter(0)) if aliases else ())
        if name in aliases
    ]
    components = tuple(dict.fromkeys(candidate.component.name for candidate in candidates))
    files = [
        _plan_file(name, components, shard, dropped, limits)
        for name, shard in zip(shard_names(file_name, len(shards)), shards, strict=True)
    ]
    return files, renamed


def _plan_file(
    file_name: str,
    components: tuple[str, ...],
    kept: Sequence[tuple[str, Candidate, Encoded]],
    dropped: Sequence[AliasPlan],
    limits: Limits,
) -> FilePlan:
    entries = _lay_out(kept)
    here = {entry.name for entry in entries} if dropped else set()
    alias_plans = tuple(alias for alias in dropped if alias.kept in here)
    metadata = {FORMAT_KEY: "pt"} | {alias.name: alias.kept for alias in alias_plans}
    return FilePlan(
        file_name,
        components,
        entries,
        alias_plans,
        MappingProxyType(metadata),
        encode_header(entries, metadata, limits),
        entries[-1].stop if entries else 0,
    )


def _encode(candidate: Candidate, *, plain: bool) -> Encoded:
    encoded = encode_type(candidate.tensor, candidate.source_name)
    if plain and encoded.encoding is not None:
        msg = (
            f"type that a plain file cannot say: {candidate.source_name!r}: "
            f"found {candidate.tensor.dtype!r}"
        )
        raise PlanError(msg)
    return encoded


def _in_order(
    kept: Sequence[tuple[str, Candidate, Encoded]],
) -> Iterator[tuple[str, Candidate, Encoded]]:
    """Iterate over tensors as they lie in a file: by type, and by name within a type.

    As `sort_key` orders them, which is called for each type and not for each tensor.
    """
    members: dict[str, list[tuple[str, Candidate, Encoded]]] = {}
    for one in kept:
        members.setdefault(one[2].dtype, []).append(one)
    for dtype in sorted(members, key=lambda dtype: sort_key(dtype, "")):
        yield from sorted(members[dtype], key=itemgetter(0))


def _lay_out(kept: Sequence[tuple[str, Candidate, Encoded]]) -> tuple[EntryPlan, ...]:
    entries = []
    start = 0
    for name, candidate, (dtype, shape, nbytes, encoding) in _in_order(kept):
        component, key, source_name, tensor, _, _ = candidate
        stop = start + nbytes
        entries.append(
            EntryPlan(
                name,
                source_name,
                component.name,
                key,
                tensor,
                dtype,
                shape,
                encoding,
                start,
                stop,
            )
        )
        start = stop
    return tuple(entries)

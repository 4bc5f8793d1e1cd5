"""The plan of an output: every file, name, type and offset, before any tensor is read."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from converter.errors import PlanError
from converter.writing.aliases import FORMAT_KEY, find_aliases
from converter.writing.document import attach_document
from converter.writing.encoding import Encoded, encode_type
from converter.writing.header import encode_header, sort_key
from converter.writing.layout import AliasPlan, EntryPlan, FilePlan, OutputPlan
from converter.writing.names import Renamed, assign_names, file_names
from converter.writing.selection import Candidate, select_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        LimitError: a header would be longer than readers accept.
    """
    candidates, left_out = select_tensors(checkpoint, options)
    whole = [(file_name, candidates)]
    groups = _by_component(checkpoint, candidates) if options.folder else whole
    files = []
    renamed: list[Renamed] = []
    for name, members in groups:
        file, changes = _plan_file(name, members, plain=options.plain, limits=limits)
        files.append(file)
        renamed += changes
    plan = OutputPlan(tuple(files), tuple(left_out), tuple(renamed), options.folder, options.plain)
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


def _plan_file(
    file_name: str, candidates: Sequence[Candidate], *, plain: bool, limits: Limits
) -> tuple[FilePlan, list[Renamed]]:
    names, renamed = assign_names(candidates)
    named = list(zip(names, candidates, strict=True))
    aliases = {} if plain else find_aliases([(name, one.tensor) for name, one in named])
    kept = [(name, one, _encode(one, plain=plain)) for name, one in named if name not in aliases]
    entries = _lay_out(kept)
    alias_plans = tuple(
        AliasPlan(name, aliases[name], one.source_name, one.component.name, one.key, one.tensor)
        for name, one in sorted(named, key=lambda pair: pair[0])
        if name in aliases
    )
    metadata = {FORMAT_KEY: "pt"} | {alias.name: alias.kept for alias in alias_plans}
    file = FilePlan(
        file_name,
        tuple(dict.fromkeys(candidate.component.name for candidate in candidates)),
        entries,
        alias_plans,
        MappingProxyType(metadata),
        encode_header(entries, metadata, limits),
        entries[-1].stop if entries else 0,
    )
    return file, renamed


def _encode(candidate: Candidate, *, plain: bool) -> Encoded:
    encoded = encode_type(candidate.tensor, candidate.source_name)
    if plain and encoded.encoding is not None:
        msg = (
            f"type that a plain file cannot say: {candidate.source_name!r}: "
            f"found {candidate.tensor.dtype!r}"
        )
        raise PlanError(msg)
    return encoded


def _lay_out(kept: Sequence[tuple[str, Candidate, Encoded]]) -> tuple[EntryPlan, ...]:
    entries = []
    start = 0
    for name, candidate, encoded in sorted(kept, key=lambda one: sort_key(one[2].dtype, one[0])):
        stop = start + encoded.nbytes
        entries.append(
            EntryPlan(
                name,
                candidate.source_name,
                candidate.component.name,
                candidate.key,
                candidate.tensor,
                encoded.dtype,
                encoded.shape,
                encoded.encoding,
                start,
                stop,
            )
        )
        start = stop
    return tuple(entries)

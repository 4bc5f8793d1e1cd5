"""Reads folders of DeepSpeed: which files are whose, and what they hold beside the weights.

``latest`` names a subfolder; in it stand ``…mp_rank_00_model_states.pt`` (buffers, shapes,
counters) and, with ZeRO, one ``…zero_pp_rank_<R>_mp_rank_00_optim_states.pt`` per rank.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import MappingValue, as_text, kind_of
from converter.errors import ContainerError, UnsupportedError
from converter.readers.deepspeed_weights import RankStates, ZeroWeights
from converter.readers.flattening import TensorMap
from converter.readers.record_values import listed
from converter.readers.training_folders import more_entries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.checkpoint.values import Value
    from converter.readers.folder_parts import FolderParts

LATEST: Final = "latest"
_OPTIM: Final = re.compile(
    r"(?:bf16_|fp16_)?zero_pp_rank_([0-9]{1,6})_mp_rank_([0-9]{1,6})_optim_states\.pt"
)
_MODEL: Final = re.compile(r"(?:zero_pp_rank_([0-9]{1,6})_)?mp_rank_([0-9]{1,6})_model_states\.pt")
_STATES: Final = ("_optim_states.pt", "_model_states.pt")
# Taken apart here; everything else of a model file is kept as it is.
_CONSUMED: Final = frozenset({"module", "frozen_param_fragments"})
_MAX_TAG_BYTES: Final = 1024


def is_deepspeed(names: frozenset[str]) -> bool:
    """Return whether these are names of such a folder, or of the subfolder itself."""
    if any(name.endswith(_STATES) for name in names):
        return True
    return LATEST in names and any(name.endswith("/") for name in names)


def read_deepspeed(parts: FolderParts) -> Value:
    """Return the weights under ``model``, and what else the files hold.

    Raises:
        ContainerError: files are missing, or hold something else.
        TensorError: the parts do not fit the shapes.
        UnsupportedError: the model is divided in another way as well (tensor or pipeline
            parallel, experts).
    """
    below = _subfolder(parts)
    names = parts.source.list_names(below.rstrip("/"), parts.limits) if below else parts.names
    optim, model = _files_by_rank(parts, below, names)
    models = [_mapping(parts, name) for name in model]
    first = models[0]
    entries: list[tuple[Value, Value]]
    if optim:
        states = [_optimizer_state(parts, name) for name in optim]
        _check_ranks(parts, states[0], optim)
        weights = ZeroWeights(parts, states, models)
        entries = [("model", weights.consolidated())]
        entries += [(key, item) for key, item in first.entries if as_text(key) not in _CONSUMED]
        entries.append(("zero_optimizer", _without_tensors(states[0].state, parts)))
        _note_left_out(parts, states)
    else:
        entries = [("model" if key == "module" else key, item) for key, item in first.entries]
    parts.opened.writer = _writer(first)
    taken = {key for key, _ in entries if isinstance(key, str)}
    if not below:
        return MappingValue("dict", entries)
    return MappingValue("dict", entries + more_entries(parts, taken))


def _subfolder(parts: FolderParts) -> str:
    """Return the subfolder that ``latest`` names, with its slash; nothing for the folder itself."""
    if any(name.endswith(_STATES) for name in parts.names):
        return ""
    text = parts.small_file(LATEST)[:_MAX_TAG_BYTES].decode("utf-8", "replace").strip()
    if f"{text}/" not in parts.names:
        raise ContainerError(
            "folder that DeepSpeed's file latest names is missing",
            source=f"{parts.source.name}/{LATEST}",
            expected=f"a folder {text!r}",
            found=listed([name for name in parts.names if name.endswith("/")]),
            code="shards_missing",
        )
    return f"{text}/"


def _files_by_rank(
    parts: FolderParts, below: str, names: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return the files of optimizer states and those of model states, each in order of ranks."""
    optim: dict[int, str] = {}
    model: dict[int, str] = {}
    others = []
    for name in names:
        if not name.endswith(_STATES):
            continue
        found = _OPTIM.fullmatch(name)
        table = optim if found else model
        found = found or _MODEL.fullmatch(name)
        rank = int(found[1] or 0) if found else -1
        if found is None or int(found[2]) or rank in table:
            others.append(name)
        else:
            table[rank] = below + name
    if others:
        raise UnsupportedError(
            "model that DeepSpeed divided in more ways than ZeRO does",
            source=f"{parts.source.name}/{below}",
            expected="files of mp_rank_00, one for each rank",
            found=listed(others),
            code="deepspeed_parallel",
        )
    if not model:
        raise ContainerError(
            "DeepSpeed folder without model states",
            source=f"{parts.source.name}/{below}",
            expected="mp_rank_00_model_states.pt, or one file for each rank",
            found="none",
            code="shards_missing",
        )
    return [optim[rank] for rank in sorted(optim)], [model[rank] for rank in sorted(model)]


def _mapping(parts: FolderParts, name: str) -> MappingValue:
    root = parts.value(name)
    if parts.opened.error is not None:
        raise parts.opened.error
    if not isinstance(root, MappingValue):
        raise ContainerError(
            "file of a DeepSpeed folder holds no dict",
            source=f"{parts.source.name}/{name}",
            expected="what DeepSpeed's save_checkpoint writes",
            found=kind_of(root),
        )
    return root


def _optimizer_state(parts: FolderParts, name: str) -> RankStates:
    state = _mapping(parts, name).find("optimizer_state_dict")
    if not isinstance(state, MappingValue):
        raise ContainerError(
            "optimizer states of DeepSpeed without a state",
            source=f"{parts.source.name}/{name}",
            expected="a dict optimizer_state_dict",
            found=type(state).__name__,
        )
    return RankStates(name, state)


def _check_ranks(parts: FolderParts, first: RankStates, names: list[str]) -> None:
    """Check that every rank left its file."""
    count = first.partition_count()
    ranks = {int(found[1]) for name in names if (found := _OPTIM.search(name))}
    missing = [str(rank) for rank in range(count or 0) if rank not in ranks]
    if count != len(names) or missing:
        raise ContainerError(
            "optimizer states of DeepSpeed are missing",
            source=f"{parts.source.name}/{first.file}",
            expected=f"{count} files, as partition_count says",
            found=f"{len(names)}" + (f", without rank {', '.join(missing)}" if missing else ""),
            code="shards_missing",
        )


def _without_tensors(state: MappingValue, parts: FolderParts) -> MappingValue:
    tensors = TensorMap(state, parts.limits)
    kept = [(key, item) for key, item in state.entries if not tensors.leads_to_tensor(item)]
    return MappingValue("dict", kept)


def _note_left_out(parts: FolderParts, states: list[RankStates]) -> None:
    """Say that the moments of the optimizer are left out: they are flat, and in parts."""
    count = nbytes = 0
    for rank in states:
        value = rank.state.find("base_optimizer_state")
        tensors = TensorMap(value, parts.limits).flatten(value).tensors
        count += len(tensors)
        nbytes += sum(tensor.nbytes for tensor in tensors.values())
    if count:
        text = (
            f"left out, flat and in parts: {count} tensors ({nbytes} bytes) of optimizer state "
            f"of {len(states)} ranks"
        )
        parts.note("deepspeed_optimizer_left_out", text)


def _writer(first: MappingValue) -> str:
    version = as_text(first.find("ds_version"))
    return f"DeepSpeed {version}" if version else "DeepSpeed"

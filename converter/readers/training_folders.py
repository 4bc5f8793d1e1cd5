"""Reads folders of transformers and accelerate: a model, and what belongs to its training.

Every file becomes one entry under the name that people know: ``model``, ``optimizer``,
``scheduler``, ``rng_state_0``, …
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from converter.checkpoint.values import MappingValue
from converter.readers.dcp import METADATA_NAME, read_dcp
from converter.readers.hf_shards import is_index, read_shards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.checkpoint.values import Value
    from converter.readers.folder_parts import FolderParts

# In the order in which transformers, diffusers and peft look for them.
_MODELS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "pytorch_model_fsdp.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.bin.index.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
)
# accelerate numbers the second and further ones from 1.
_MORE_MODELS: Final = re.compile(r"(?:model|pytorch_model)_([0-9]{1,6})\.(?:safetensors|bin)")
# FSDP and accelerate: a distributed checkpoint each, in a folder of its own.
_DCP_FOLDERS: Final = re.compile(r"(pytorch_model_fsdp|optimizer)_([0-9]{1,6})/")
_COMPANIONS: Final = re.compile(
    r"(optimizer|scheduler|scaler|sampler|dl_state_dict)(_[0-9]{1,6})?\.(?:pt|bin)"
    r"|(rng_state)(_[0-9]{1,6})?\.pth"
    r"|(random_states|custom_checkpoint)(_[0-9]{1,6})\.pkl"
)
_TRAINER_STATE: Final = "trainer_state.json"
_ARGUMENTS: Final = "training_args.bin"


def has_companions(names: Iterable[str]) -> bool:
    """Return whether any file belongs to a training; its arguments alone make none."""
    return any(
        name == _TRAINER_STATE or _COMPANIONS.fullmatch(name) or _DCP_FOLDERS.fullmatch(name)
        for name in names
    )


def model_name(names: Iterable[str]) -> str | None:
    """Return the name of the file, or index, that holds the model; None without one.

    An index of another name counts where it is the only one.
    """
    found = frozenset(names)
    for name in _MODELS:
        if name in found:
            return name
    indexes = [name for name in found if is_index(name)]
    return indexes[0] if len(indexes) == 1 else None


def read_model(parts: FolderParts) -> Value:
    """Return the model of a folder, or None without one; errors as in `read_shards`."""
    name = model_name(parts.names)
    if name is None:
        return None
    return read_shards(parts, name) if is_index(name) else parts.value(name)


def read_training(parts: FolderParts) -> Value:
    """Return a model and its companions by name; errors as in `read_shards` and `read_dcp`."""
    root = MappingValue("dict")
    if model_name(parts.names) is not None:
        root.entries.append(("model", read_model(parts)))
    root.entries += more_entries(parts, {"model"} if root.entries else set())
    return root


def more_entries(parts: FolderParts, taken: set[str]) -> list[tuple[Value, Value]]:
    """Return what stands beside a model: further models, optimizer, counters, random states."""
    entries: list[tuple[Value, Value]] = []
    for name in parts.names:
        key = _key_of(parts, name)
        if key is None:
            continue
        while key in taken:  # optimizer.pt beside optimizer.bin
            key += "~"
        taken.add(key)
        if name.endswith("/"):
            entries.append((key, _unwrapped(read_dcp(parts, name), key)))
        elif name == _TRAINER_STATE:
            entries.append((key, parts.json_value(name)))
        else:
            entries.append((key, parts.value(name)))
    return entries


def _key_of(parts: FolderParts, name: str) -> str | None:
    """Return the name of an entry of the tree; None for what is no part of a training."""
    if name in (_TRAINER_STATE, _ARGUMENTS):
        return name.partition(".")[0]
    more = _MORE_MODELS.fullmatch(name)
    if more:
        return f"model_{more[1]}"
    folder = _DCP_FOLDERS.fullmatch(name)
    if folder:
        inside = parts.source.list_names(name.rstrip("/"), parts.limits)
        kind = "model" if folder[1].startswith("pytorch") else folder[1]
        number = "" if int(folder[2]) == 0 else f"_{folder[2]}"
        return kind + number if METADATA_NAME in inside else None
    companion = _COMPANIONS.fullmatch(name)
    if companion:
        return "".join(group for group in companion.groups() if group)
    return None


def _unwrapped(root: Value, key: str) -> Value:
    """Return what accelerate wraps once more under the kind of thing it is."""
    kind = key.partition("_")[0].rstrip("~")
    if isinstance(root, MappingValue) and [name for name, _ in root.entries] == [kind]:
        return root.entries[0][1]
    return root

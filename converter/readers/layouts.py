"""Recognises who laid a checkpoint out, and the prefixes that wrappers left in its names.

Only reported: nothing is stripped or renamed. The keys are those that the frameworks write
(Lightning 2.6, timm 1.0, mmengine 0.10, ultralytics 8.4, fairseq 0.12, fvcore and detectron2,
transformers 5, Megatron-LM, DeepSpeed 0.19).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import ComponentKind, Note
from converter.checkpoint.values import MappingValue, Value, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from converter.checkpoint.canonical import Component

WRAPPERS: Final = {
    "module": "DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FullyShardedDataParallel",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "Lightning Fabric",
}
"""Part of a name → the wrapper that put it there."""

_ORDINARY: Final = "module"


@dataclass(frozen=True, slots=True)
class _Layout:
    """A framework and the keys that give it away.

    Attributes:
        name: what the framework is called.
        every: keys that must all be there.
        some: keys of which one must be there; none asked for when empty.
        version_key: key of the framework's version, if it writes one.
    """

    name: str
    every: frozenset[str]
    some: frozenset[str] = frozenset()
    version_key: str | None = None


def _layout(
    name: str, every: Iterable[str], some: Iterable[str] = (), version_key: str | None = None
) -> _Layout:
    return _Layout(name, frozenset(every), frozenset(some), version_key)


# The first that fits is taken, so the more telling ones stand first.
_LAYOUTS: Final = (
    _layout(
        "Lightning",
        ["state_dict", "pytorch-lightning_version"],
        version_key="pytorch-lightning_version",
    ),
    _layout("DeepSpeed", ["module", "ds_version"], version_key="ds_version"),
    _layout(
        "Megatron-LM",
        ["checkpoint_version", "iteration"],
        ["model", "model0"],
        version_key="checkpoint_version",
    ),
    _layout("mmengine", ["state_dict", "message_hub"]),
    _layout("ultralytics", ["model", "train_args"], ["ema", "updates"], version_key="version"),
    _layout("ultralytics", ["model", "ema", "updates", "best_fitness"]),
    _layout("fairseq", ["model", "optimizer_history"], ["extra_state", "last_optimizer_state"]),
    _layout("timm", ["state_dict", "arch"], ["version", "args"]),
    _layout("detectron2", ["model", "__author__"]),
    _layout("detectron2", ["model", "matching_heuristics"]),
    _layout("detectron2 or fvcore", ["model", "iteration"], ["optimizer", "scheduler"]),
    # Folders: every file is one key, by its name (see `training_folders`).
    _layout("HF Trainer", ["trainer_state"]),
    _layout("HF Trainer", ["training_args"], ["model", "optimizer"]),
    _layout("accelerate", ["random_states_0"], ["model", "optimizer"]),
    _layout("pycls", ["model_state"], ["epoch", "cfg"]),
    _layout("plain torch", ["model_state_dict"], ["optimizer_state_dict", "epoch", "loss"]),
)


def recognised_layout(root: Value) -> str | None:
    """Return the framework whose keys the outermost dict has, with its version if it says."""
    if not isinstance(root, MappingValue):
        return None
    keys = frozenset(root.text_keys())
    for layout in _LAYOUTS:
        if layout.every <= keys and (not layout.some or layout.some & keys):
            version = _version(root, layout.version_key)
            return f"{layout.name} {version}" if version else layout.name
    return _from_meta(root)


def _from_meta(root: MappingValue) -> str | None:
    """Return mmcv or mmengine from before the message hub: ``meta`` holds the version."""
    meta = root.find("meta")
    if isinstance(meta, MappingValue):
        for name in ("mmengine", "mmcv"):
            version = _version(meta, f"{name}_version")
            if version:
                return f"{name} {version}"
    return None


def _version(mapping: MappingValue, key: str | None) -> str | None:
    value = mapping.find(key) if key else None
    return str(value) if isinstance(value, float) else as_text(value)


def prefix_notes(components: Sequence[Component]) -> list[Note]:
    """Return a note for every wrapper's name in the models' names, with the option against it."""
    notes = []
    for component in components:
        if component.kind is not ComponentKind.MODEL:
            continue
        names = list(component.tensors)
        leading = leading_prefix(names)
        if leading:
            wrappers = ", ".join(dict.fromkeys(WRAPPERS[part] for part in leading))
            prefix = ".".join(leading) + "."
            notes.append(
                Note(
                    "names_prefixed",
                    f"{component.name}: every name begins with {prefix!r} ({wrappers}); "
                    f"--strip-prefix {prefix} takes it off",
                )
            )
        notes += _inner_notes(component.name, names, len(leading))
    return notes


def leading_prefix(names: Sequence[str]) -> list[str]:
    """Return the wrappers' parts that all the names begin with.

    Counters of a wrapper (``n_averaged``) have no dot and do not count.
    """
    leading: list[str] = []
    if next((name for name in names if "." in name), "").partition(".")[0] not in WRAPPERS:
        return leading
    split = [name.split(".") for name in names if "." in name]
    while split:
        part = split[0][0]
        if part not in WRAPPERS or any(parts[0] != part or len(parts) < 2 for parts in split):
            break
        leading.append(part)
        split = [parts[1:] for parts in split]
    return leading


def _inner_notes(component: str, names: Sequence[str], skip: int) -> list[Note]:
    """Return notes on wrappers in the middle of names, behind `skip` leading ones."""
    notes = []
    everything = "\n".join(names)
    for part, wrapper in WRAPPERS.items():
        if part not in everything:
            continue
        split = [name.split(".")[skip:] for name in names]
        if part == _ORDINARY:
            count = _wrappers_called_module(split)
        else:
            count = sum(part in parts[:-1] for parts in split)
        if count:
            holding = "1 name holds" if count == 1 else f"{count} names hold"
            notes.append(
                Note(
                    "names_with_wrapper",
                    f"{component}: {holding} {part!r} ({wrapper}); "
                    f"--strip-part {part} takes it out wherever it stands",
                )
            )
    return notes


def _wrappers_called_module(split: Sequence[Sequence[str]]) -> int:
    """Count the names in which ``module``, an ordinary name too, comes from a wrapper.

    It does where it stands beside another wrapper's part, and where every name has it at the same
    place, as in ``model.module.conv.weight`` of a wrapped model inside a Lightning module.
    """
    places = [number for number, part in enumerate(split[0][:-1]) if part == _ORDINARY and number]
    if any(all(_ORDINARY in parts[place:-1][:1] for parts in split) for place in places):
        return len(split)
    others = WRAPPERS.keys() - {_ORDINARY}
    return sum(
        part == _ORDINARY and not others.isdisjoint((parts[place - 1], parts[place + 1]))
        for parts in split
        for place, part in enumerate(parts[1:-1], 1)
    )

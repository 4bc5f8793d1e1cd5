"""Which tensors are written, and what the user asked them to be called."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

from converter.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from converter.checkpoint.canonical import Checkpoint, Component
    from converter.checkpoint.storage import Storage
    from converter.checkpoint.tensor import TensorRef
    from converter.writing.options import WriteOptions


# What an option is to be, where that is not part of a name.
_WANTED: Final = dict.fromkeys(("include", "exclude"), "a pattern that fits a tensor's whole name")


class LeftOut(NamedTuple):
    """A tensor that is not written.

    Attributes:
        source_name: its full name in the checkpoint.
        reason: why, in a few words.
    """

    source_name: str
    reason: str


class Candidate(NamedTuple):
    """A tensor to be written, before the format had a say in its name.

    Attributes:
        component: where it belongs.
        key: its name inside the component.
        source_name: its full name in the checkpoint.
        tensor: the tensor.
        natural: the name it has in its file when no option changes it.
        wanted: the name the options give it there.
    """

    component: Component
    key: str
    source_name: str
    tensor: TensorRef
    natural: str
    wanted: str


def select_tensors(
    checkpoint: Checkpoint, options: WriteOptions
) -> tuple[list[Candidate], list[LeftOut]]:
    """Divide the tensors of a checkpoint into those to write and those to leave out.

    Raises:
        PlanError: an option is malformed, or matches nothing.
    """
    check_options(checkpoint, options)
    chosen = None if options.components is None else frozenset(options.components)
    bare = checkpoint.bare or options.folder or (chosen is not None and len(chosen) == 1)
    filtered = bool(options.include or options.exclude)
    changing = bool(options.strip_parts or options.strip_prefixes or options.renames)
    candidates: list[Candidate] = []
    left_out: list[LeftOut] = []
    used: set[tuple[str, str]] = set()
    source_bare = checkpoint.bare
    for component, key, tensor in _iter_tensors(checkpoint):
        source_name = key if source_bare else checkpoint.full_name(component, key)
        reason = None
        if chosen is not None and component.name not in chosen:
            reason = f"component {component.name!r} is not selected"
        elif filtered:
            reason = _reason_to_leave_out(key, source_name, options, used)
        if reason is None and tensor.storage.data is None and tensor.nbytes:
            reason = without_bytes(tensor.storage)
        if reason is not None:
            left_out.append(LeftOut(source_name, reason))
            continue
        changed = _change_name(key, options, used) if changing else key
        natural = key if bare else _name_in_file(component, key, bare=bare)
        wanted = natural if changed == key else _name_in_file(component, changed, bare=bare)
        candidates.append(Candidate(component, key, source_name, tensor, natural, wanted))
    _check_all_used(options, used)
    return candidates, left_out


def check_options(checkpoint: Checkpoint, options: WriteOptions) -> None:
    """Raise if an option makes no sense whatever the tensors are called.

    Raises:
        PlanError: an unknown component, an empty prefix, a rename without a name, or to one
            that no file can hold.
    """
    names = [component.name for component in checkpoint.components]
    for name in options.components or ():
        if name not in names:
            msg = f"no such component: {name!r}: expected one of {_list(names)}"
            raise PlanError(msg)
    for part in options.strip_parts:
        if not part or "." in part:
            msg = f"part to strip that is not one part of a name: {part!r}"
            raise PlanError(msg)
    for prefix in options.strip_prefixes:
        if not prefix.removesuffix("."):
            msg = f"prefix to strip without a name: {prefix!r}"
            raise PlanError(msg)
    for old, new in options.renames:
        if not old or not new:
            msg = f"rename without a name: {old!r} to {new!r}"
            raise PlanError(msg)
        if any("\ud800" <= char <= "\udfff" for char in new):
            msg = f"rename to a name that is not Unicode text: {new!r}"
            raise PlanError(msg)


def without_bytes(storage: Storage) -> str:
    """Return why a storage without bytes has none."""
    if storage.left_out:
        return "not in the source, whose conversion left it out"
    return "no bytes were saved (meta device)"


def _iter_tensors(checkpoint: Checkpoint) -> Iterator[tuple[Component, str, TensorRef]]:
    for component in checkpoint.components:
        for key, tensor in component.tensors.items():
            yield component, key, tensor


def _name_in_file(component: Component, key: str, *, bare: bool) -> str:
    if bare:
        return key
    return f"{component.name}.{key}" if key else component.name


def _reason_to_leave_out(
    key: str, source_name: str, options: WriteOptions, used: set[tuple[str, str]]
) -> str | None:
    included = _matching(options.include, key, source_name)
    excluded = _matching(options.exclude, key, source_name)
    used.update(("include", pattern) for pattern in included)
    used.update(("exclude", pattern) for pattern in excluded)
    if excluded:
        return f"excluded by {excluded[0]!r}"
    if options.include and not included:
        return "not included"
    return None


def _matching(patterns: tuple[str, ...], key: str, source_name: str) -> list[str]:
    return [
        pattern
        for pattern in patterns
        if fnmatchcase(key, pattern) or fnmatchcase(source_name, pattern)
    ]


def _change_name(key: str, options: WriteOptions, used: set[tuple[str, str]]) -> str:
    for part in options.strip_parts:
        # The last part is the tensor's own name, whatever it is called.
        *modules, own = key.split(".")
        kept = [module for module in modules if module != part]
        if len(kept) < len(modules):
            key = ".".join([*kept, own])
            used.add(("strip-part", part))
    for prefix in options.strip_prefixes:
        leading = prefix.removesuffix(".") + "."
        if key.startswith(leading) and len(key) > len(leading):
            key = key[len(leading) :]
            used.add(("strip-prefix", prefix))
    for old, new in options.renames:
        if key == old or key.startswith(f"{old}."):
            used.add(("rename", old))
            return new + key[len(old) :]
    return key


def _check_all_used(options: WriteOptions, used: set[tuple[str, str]]) -> None:
    asked = [("include", pattern) for pattern in options.include]
    asked += [("exclude", pattern) for pattern in options.exclude]
    asked += [("strip-part", part) for part in options.strip_parts]
    asked += [("strip-prefix", prefix) for prefix in options.strip_prefixes]
    asked += [("rename", old) for old, _ in options.renames]
    for option, text in asked:
        if (option, text) not in used:
            wanted = _WANTED.get(option, "part of a tensor's name")
            msg = f"{option} matches nothing: {text!r}: expected {wanted}"
            raise PlanError(msg)


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none (the checkpoint has no components)"

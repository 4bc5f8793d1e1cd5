"""Recovers what ``state_dict()`` of a pickled module would have given, without its class.

Parameters in their order, buffers that are not marked non-persistent, what torch's own classes
add, then the modules inside. A module registered twice appears under both names, as in torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from converter.checkpoint.module_facts import CERTAIN, PROBABLE, LeftOutTensor
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import (
    CompositeTensor,
    GlobalValue,
    InertValue,
    SequenceValue,
    Value,
    as_text,
)
from converter.errors import LimitError
from converter.readers.module_additions import (
    PACKED_WEIGHT_HOOK,
    additions_of,
    hook_names,
    later_additions_of,
)
from converter.readers.module_leftovers import left_out_of
from converter.readers.modules import ModuleView, view_of
from converter.readers.walk_budget import WalkBudget

if TYPE_CHECKING:
    from converter.limits import Limits

_KNOWN_PACKAGES: Final = (
    "torch.nn.",
    "torch.ao.nn.",
    "torch.ao.quantization.",
    "torch.quantization.",
    "torch.fx.graph_module.",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.",
)
_KNOWN_CLASSES: Final = frozenset(
    {
        "torch._dynamo.eval_frame.OptimizedModule",
        "torch.optim.swa_utils.AveragedModel",
    }
)
# Wrappers whose hooks take the name of the wrapped module out of the keys.
_STRIPPED: Final = {
    "_checkpoint_wrapped_module": "torch.distributed.algorithms._checkpoint.",
    "_fsdp_wrapped_module": "torch.distributed.fsdp.",
}
# Hooks that leave the keys alone, or whose work is done here.
_HARMLESS_HOOKS: Final = (
    "torch.nn.utils.spectral_norm.SpectralNormStateDictHook",
    f".{PACKED_WEIGHT_HOOK}",
    "ActivationWrapper._post_state_dict_hook",
    "CheckpointWrapper._post_state_dict_hook",
)
_OWN_METHODS: Final = ("state_dict", "_save_to_state_dict", "get_extra_state")


@dataclass(slots=True, eq=False)
class ModuleState:
    """The recovered ``state_dict()`` of one pickled module.

    Attributes:
        entries: name → value in order: tensors, None, and the few values that are no tensors.
        reasons: why a class that is not here could have given other names; none when certain.
        left_out: tensors in the object that ``state_dict()`` would not name.
        classes: module path → class, in the order of ``named_modules(remove_duplicate=False)``.
        training: module path → training flag.
    """

    entries: dict[str, Value] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    left_out: tuple[LeftOutTensor, ...] = ()
    classes: dict[str, str] = field(default_factory=dict)
    training: dict[str, bool] = field(default_factory=dict)

    @property
    def certainty(self) -> str:
        """Return ``certain`` or ``probable``."""
        return PROBABLE if self.reasons else CERTAIN

    @property
    def tensors(self) -> dict[str, TensorRef | CompositeTensor]:
        """Return the entries that are tensors."""
        return {
            name: value
            for name, value in self.entries.items()
            if isinstance(value, (TensorRef, CompositeTensor))
        }


def module_state(root: Value, limits: Limits) -> ModuleState:
    """Return the recovered ``state_dict()`` of a pickled module.

    Raises:
        LimitError: deeper than `Limits.max_depth`, more than `Limits.max_tensors` entries or
            visits, a name longer than `Limits.max_record_name_bytes`, or more ways and longer
            names than a `WalkBudget` allows.
    """
    walk = _Walk(limits)
    walk.run(root)
    state = walk.state
    state.left_out = left_out_of(root, state.entries.values())
    return state


@dataclass(frozen=True, slots=True)
class _Step:
    """One thing left to do.

    Attributes:
        value: the module to visit; with `view`, the module whose inside has been visited.
        path: its path as ``named_modules()`` has it.
        prefix: what its keys begin with, dot included.
        depth: modules around it.
        view: the module to finish, laid open.
    """

    value: Value
    path: str
    prefix: str
    depth: int
    view: ModuleView | None = None


class _Walk:
    """Visits modules as ``state_dict()`` does, without Python's recursion."""

    def __init__(self, limits: Limits) -> None:
        self.state: Final = ModuleState()
        self._limits: Final = limits
        self._views: Final[dict[int, ModuleView]] = {}
        self._on_path: Final[set[int]] = set()
        self._named_classes: Final[set[str]] = set()
        self._visits = 0
        self._budget: Final = WalkBudget(limits)

    def run(self, root: Value) -> None:
        stack = [_Step(root, "", "", 0)]
        while stack:
            step = stack.pop()
            if step.view is not None:
                self._emit(step.prefix, later_additions_of(step.view))
                self._on_path.discard(id(step.value))
            else:
                stack.extend(reversed(self._visit(step)))

    def _visit(self, step: _Step) -> list[_Step]:
        """Name what a module holds itself; return the steps for what is inside it."""
        value = step.value
        self._check(step)
        if id(value) in self._on_path:
            self.state.reasons.append(f"{step.path}: this module contains itself")
            return []
        view = self._views.get(id(value)) or view_of(value)
        if view is None:
            self._not_a_module(step)
            return []
        self._views[id(value)] = view
        held = len(view.parameters) + len(view.buffers) + len(view.modules)
        self._budget.meet(value, 1 + held)
        self._note(view, step.path)
        skipped = _non_persistent(view)
        prefix = step.prefix
        self._emit(prefix, [(name, item) for name, item in view.parameters if item is not None])
        self._emit(
            prefix,
            [(name, b) for name, b in view.buffers if b is not None and name not in skipped],
        )
        self._emit(prefix, additions_of(view))
        self._on_path.add(id(value))
        inside = [
            _Step(item, _joined(step.path, name), _prefix(view, prefix, name), step.depth + 1)
            for name, item in view.modules
            if item is not None
        ]
        return [*inside, _Step(value, step.path, prefix, step.depth, view)]

    def _check(self, step: _Step) -> None:
        limits = self._limits
        self._visits += 1
        if step.depth > limits.max_depth:
            raise LimitError("max_depth", allowed=limits.max_depth, found=step.depth)
        if self._visits > limits.max_tensors:
            raise LimitError("max_tensors", allowed=limits.max_tensors, found=self._visits)
        if len(step.path) > limits.max_record_name_bytes:
            raise LimitError(
                "max_record_name_bytes", allowed=limits.max_record_name_bytes, found=len(step.path)
            )
        self._budget.name(len(step.path))

    def _emit(self, prefix: str, entries: list[tuple[str, Value]]) -> None:
        known = self.state.entries
        for name, value in entries:
            self._budget.name(len(prefix) + len(name))
            known[prefix + name] = value
        if len(known) > self._limits.max_tensors:
            raise LimitError("max_tensors", allowed=self._limits.max_tensors, found=len(known))

    def _note(self, view: ModuleView, path: str) -> None:
        """Keep the class and the training flag, and what could make the names other ones."""
        state = self.state
        state.classes[path] = view.class_name
        training = view.attributes.get("training")
        if isinstance(training, bool):
            state.training[path] = training
        if view.class_name not in self._named_classes:
            self._named_classes.add(view.class_name)
            reason = _doubt_about_class(view)
            if reason:
                state.reasons.append(reason)
        for hook in hook_names(view.attributes.get("_state_dict_hooks")):
            if not hook.endswith(_HARMLESS_HOOKS):
                state.reasons.append(f"{path or 'the whole'}: a hook may change names: {hook}")
        state.reasons.extend(
            f"{path or 'the whole'}: an attribute replaces its {name}"
            for name in _OWN_METHODS
            if name in view.attributes
        )

    def _not_a_module(self, step: _Step) -> None:
        value = step.value
        name = value.class_name if isinstance(value, InertValue) else type(value).__name__
        if isinstance(value, GlobalValue):
            name = value.full_name
        self.state.classes[step.path] = name
        self.state.reasons.append(f"{step.path}: {name} does not read as a module")


def _doubt_about_class(view: ModuleView) -> str | None:
    name = view.class_name
    if name.startswith("torch.distributed.fsdp."):
        return f"{name} may gather and rename parameters in its state_dict()"
    if name.startswith(_KNOWN_PACKAGES) or name in _KNOWN_CLASSES:
        return None
    return f"{name} is not one of torch's classes: methods of its own could change the names"


def _prefix(view: ModuleView, prefix: str, name: str) -> str:
    owner = _STRIPPED.get(name)
    if owner is not None and view.class_name.startswith(owner):
        return prefix
    return f"{prefix}{name}."


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _non_persistent(view: ModuleView) -> frozenset[str]:
    names = view.attributes.get("_non_persistent_buffers_set")
    if not isinstance(names, SequenceValue):
        return frozenset()
    return frozenset(text for text in map(as_text, names.items) if text is not None)

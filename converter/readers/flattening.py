"""Finds every tensor of a tree of values and names it by its path.

The tree may share and contain itself. Shared parts are named once for each way that leads to
them, as torch.load would show them, within `Limits.max_tensors` and what a `WalkBudget` allows;
parts without tensors are never followed, so sharing without tensors costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import CompositeTensor, Value, children, is_atom
from converter.dtypes import BY_NAME
from converter.errors import LimitError
from converter.readers.modules import MODULE_TABLES, is_module
from converter.readers.walk_budget import WalkBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from converter.limits import Limits

# Labels of structure that a person does not type: they do not show in names.
_TRANSPARENT: Final = frozenset({"(state)", "(attributes)"})


@dataclass(frozen=True, slots=True)
class Flattened:
    """The tensors of one part of a tree.

    Attributes:
        tensors: name → dense tensor. Names join the labels of the path with dots; where two
            paths spell the same name, the later one gets ``~2``, ``~3``, ….
        composites: name → tensor that torch keeps as several; its parts stand in `tensors`
            under ``name.part``.
        changed: names that got a number → the name they share.
    """

    tensors: dict[str, TensorRef] = field(default_factory=dict)
    composites: dict[str, CompositeTensor] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, tensor: TensorRef) -> None:
        """Keep a tensor under its name, or under a numbered one where that is taken."""
        unused = name
        while unused in self.tensors:
            self._counts[name] = self._counts.get(name, 1) + 1
            unused = f"{name}~{self._counts[name]}"
        if unused != name:
            self.changed[unused] = name
        self.tensors[unused] = tensor


class TensorMap:
    """Knows which values of one tree lead to tensors.

    Attributes:
        dense: every dense tensor of the tree.
    """

    def __init__(self, root: Value, limits: Limits) -> None:
        """Look at every value below `root`, each once."""
        self._limits: Final = limits
        self.dense: Final[set[Value]] = set()
        self._leading, self._seen = _values_leading_to_tensors(root, self.dense)

    def leads_to_tensor(self, value: Value) -> bool:
        """Return whether a value is a tensor or holds one."""
        return value in self._leading

    def dense_below(self, value: Value) -> set[Value]:
        """Return every dense tensor at or below a value."""
        return {tensor for _, tensor in self._walk(value) if isinstance(tensor, TensorRef)}

    def flatten(self, value: Value) -> Flattened:
        """Return the tensors below `value` by name.

        Raises:
            LimitError: more tensors than `Limits.max_tensors`, deeper than `Limits.max_depth`, or
                more ways and longer names than a `WalkBudget` allows.
        """
        flat = Flattened()
        for path, tensor in self._walk(value):
            name = ".".join(path) if path else "tensor"
            if isinstance(tensor, CompositeTensor):
                flat.composites.setdefault(name, tensor)
                continue
            flat.add(name, tensor)
        return flat

    def _walk(self, root: Value) -> list[tuple[tuple[str, ...], TensorRef | CompositeTensor]]:
        """Return (path, tensor) in order, depth first, without Python recursion."""
        found: list[tuple[tuple[str, ...], TensorRef | CompositeTensor]] = []
        on_path: set[Value] = set()
        # A frame is (path, value, whether the value, a container, is left).
        stack: list[tuple[tuple[str, ...], Value, bool]] = [((), root, False)]
        budget = WalkBudget(self._limits)
        max_depth, max_tensors = self._limits.max_depth, self._limits.max_tensors
        leading = self._leading
        if root not in self._seen:
            # A container made for this purpose, of values that are in the tree.
            leading, _ = _values_leading_to_tensors(root, set())
        while stack:
            path, value, leaving = stack.pop()
            if leaving:
                on_path.discard(value)
                continue
            if isinstance(value, (TensorRef, CompositeTensor, Storage)):
                budget.name(sum(map(len, path)))
                tensor = tensor_of_storage(value) if isinstance(value, Storage) else value
                found.append((path, tensor))
            if len(path) > max_depth:
                raise LimitError("max_depth", allowed=max_depth, found=len(path))
            if len(found) > max_tensors:
                raise LimitError("max_tensors", allowed=max_tensors, found=len(found))
            if type(value) is TensorRef and value.attributes is None:
                budget.meet(value, 1)
                continue  # nothing is inside, as in nearly all of them
            held = children(value)
            budget.meet(value, 1 + len(held))
            inside = [
                (label, child) for label, child in held if child in leading and child not in on_path
            ]
            if inside:
                on_path.add(value)
                stack.append((path, value, True))
                shown = _shown_labels(value)
                stack.extend(
                    ((*path, label) if shown(label) else path, child, False)
                    for label, child in reversed(inside)
                )
        return found


def tensor_of_storage(storage: Storage) -> TensorRef:
    """Return a bare storage as the one-dimensional tensor of its elements."""
    dtype = storage.dtype or BY_NAME["uint8"]
    numel = storage.nbytes // dtype.itemsize * dtype.packed
    name = "torch.storage.UntypedStorage" if storage.dtype is None else "torch.storage.TypedStorage"
    return TensorRef(storage, dtype, (numel,), (1,), 0, class_name=name)


def _shown_labels(holder: Value) -> Callable[[str], bool]:
    """Return which labels below a value show in names: not those of structure."""
    hidden = _TRANSPARENT | MODULE_TABLES if is_module(holder) else _TRANSPARENT
    return lambda label: label not in hidden


def _leaves_and_others(value: Value) -> tuple[set[Value], list[Value]]:
    """Return the leaves directly inside a value, and what else is no atom."""
    leaves: set[Value] = set()
    others: list[Value] = []
    for _, child in children(value):
        if type(child) is TensorRef and child.attributes is None:
            leaves.add(child)
        elif not is_atom(child):
            others.append(child)
    return leaves, others


def _values_leading_to_tensors(root: Value, dense: set[Value]) -> tuple[set[Value], set[Value]]:
    """Return what is or holds a tensor at any depth, and all that was seen; `dense` is added to."""
    holders: dict[Value, list[Value]] = {}
    tensors: list[Value] = []
    leaves: set[Value] = set()
    seen = {root}
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, (TensorRef, CompositeTensor, Storage)):
            tensors.append(value)
            if isinstance(value, TensorRef):
                dense.add(value)
        held, others = _leaves_and_others(value)
        if held:
            leaves |= held
            tensors.append(value)
        for child in others:
            holders.setdefault(child, []).append(value)
            if child not in seen:
                seen.add(child)
                stack.append(child)
    dense |= leaves
    seen |= leaves
    # Nothing is inside a leaf: what holds one stands for it in the search.
    leading = leaves.union(tensors)
    while tensors:
        for holder in holders.get(tensors.pop(), ()):
            if holder not in leading:
                leading.add(holder)
                tensors.append(holder)
    return leading, seen

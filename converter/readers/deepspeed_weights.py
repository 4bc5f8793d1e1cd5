"""The weights of DeepSpeed's ZeRO stages 1, 2 and 3, put together by reference.

- Stages 1 and 2: the parts of a group, rank after rank, are its weights end to end in the order
  of ``param_shapes``, each followed by its padding where ``param_alignment_paddings`` has one.
- Stage 3: each rank holds ``ceil(numel / ranks)`` elements of every weight, one weight after the
  other, its groups end to end.

The same as DeepSpeed's own ``zero_to_fp32.py`` gives, except that buffers keep their dtypes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import InertValue, MappingValue, SequenceValue, as_text, kind_of
from converter.errors import ContainerError, TensorError, UnsupportedError
from converter.readers.assembling import cut_flat, slice_flat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from converter.checkpoint.values import Value
    from converter.readers.folder_parts import FolderParts

    Shapes: TypeAlias = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class RankStates:
    """What the optimizer file of one rank holds.

    Attributes:
        file: its name.
        state: its ``optimizer_state_dict``.
    """

    file: str
    state: MappingValue

    def stage(self) -> int | None:
        """Return the stage; DeepSpeed writes an enum that is an int, or an int."""
        value = self.state.find("zero_stage")
        if isinstance(value, InertValue) and len(value.args) == 1:
            value = value.args[0]
        return value if type(value) is int else None

    def partition_count(self) -> int | None:
        """Return how many ranks there were; of several groups, the most."""
        value = self.state.find("partition_count")
        if isinstance(value, SequenceValue):
            counts = [item for item in value.items if type(item) is int]
            return max(counts, default=None)
        return value if type(value) is int else None

    def groups(self, key: str) -> list[TensorRef]:
        """Return the flat parts of this rank, one for each group of weights.

        Raises:
            ContainerError: there are none.
            TensorError: one is not flat.
        """
        value = self.state.find(key)
        items = value.items if isinstance(value, SequenceValue) else []
        found = [item for item in items if isinstance(item, TensorRef)]
        if not found or len(found) != len(items):
            raise ContainerError(
                "optimizer states of DeepSpeed without weights",
                source=self.file,
                expected=f"a list of tensors {key}",
                found=kind_of(value),
            )
        for item in found:
            _check_flat(item, f"{self.file}!{key}")
        return found


class ZeroWeights:
    """The weights of a model, from the files of all ranks."""

    def __init__(
        self, parts: FolderParts, states: list[RankStates], models: list[MappingValue]
    ) -> None:
        """Take what the files hold, in order of ranks.

        Raises:
            UnsupportedError: the stage is none of 1, 2 and 3.
        """
        self._parts: Final = parts
        self._states: Final = states
        self._models: Final = models
        self._stage: Final = states[0].stage()
        if self._stage not in (1, 2, 3):
            raise UnsupportedError(
                "stage of ZeRO that is not known",
                source=states[0].file,
                expected="1, 2 or 3",
                found=str(self._stage),
            )

    def consolidated(self) -> MappingValue:
        """Return the state_dict of the whole model, in the order of its module's.

        Raises:
            ContainerError: a file holds something else.
            TensorError: the parts do not fit the shapes.
        """
        groups = self._param_shapes()
        found: dict[str, Value] = self._frozen()
        found.update(self._from_ranks(groups) if self._stage == 3 else self._from_groups(groups))
        self._add_shared(found)
        names = self._models[0].find("buffer_names")
        buffers = (
            {as_text(item) for item in names.items} if isinstance(names, SequenceValue) else set()
        )
        module = self._models[0].find("module")
        entries = module.entries if isinstance(module, MappingValue) else []
        ordered: dict[str, Value] = {}
        replaced: list[TensorRef] = []
        for key, item in entries:
            name = as_text(key)
            if name is None:
                continue
            if name in found and name not in buffers:
                ordered[name] = found[name]
                if isinstance(item, TensorRef) and item.numel and item is not found[name]:
                    replaced.append(item)
            elif not (self._stage == 3 and isinstance(item, TensorRef) and not item.numel):
                ordered[name] = item
        ordered.update((name, item) for name, item in found.items() if name not in ordered)
        self._add_shared(ordered)
        self._note(ordered, buffers, replaced)
        return MappingValue("OrderedDict", list(ordered.items()))

    def _param_shapes(self) -> list[Shapes]:
        value = self._models[0].find("param_shapes")
        groups = value.items if isinstance(value, SequenceValue) else [value]
        return [self._shapes(group, "param_shapes") for group in groups]

    def _shapes(self, value: Value, what: str) -> Shapes:
        """Return name → sizes."""
        found: Shapes = {}
        for key, sizes in value.entries if isinstance(value, MappingValue) else [(None, None)]:
            name = as_text(key)
            items = sizes.items if isinstance(sizes, SequenceValue) else [None]
            shape = tuple(item for item in items if type(item) is int and item >= 0)
            if name is None or len(shape) != len(items):
                raise ContainerError(
                    "model states of DeepSpeed without shapes",
                    source=self._parts.source.name,
                    expected=f"dicts of sizes {what}",
                    found=kind_of(value),
                )
            found[name] = shape
        return found

    def _from_groups(self, groups: list[Shapes]) -> dict[str, TensorRef]:
        """Cut the weights of stages 1 and 2 out of their groups."""
        ranks = [state.groups("single_partition_of_fp32_groups") for state in self._states]
        if any(len(rank) != len(groups) for rank in ranks):
            raise TensorError(
                "groups of weights that do not fit their shapes",
                source=self._states[0].file,
                expected=f"{len(groups)} groups on each rank, as param_shapes has",
                found=", ".join(str(len(rank)) for rank in ranks),
            )
        found: dict[str, TensorRef] = {}
        for number, shapes in enumerate(groups):
            flat = [rank[number] for rank in ranks]
            paddings = self._paddings(number, len(shapes))
            offset = 0
            for (name, shape), padding in zip(shapes.items(), paddings, strict=True):
                found[name] = cut_flat(name, flat, offset, shape)
                offset += math.prod(shape) + padding
            self._check_used(offset, sum(part.numel for part in flat), 2 * len(ranks))
        return found

    def _paddings(self, number: int, count: int) -> list[int]:
        """Return the elements to skip behind each weight of a group."""
        value = self._states[0].state.find("param_alignment_paddings")
        groups = value.items if isinstance(value, SequenceValue) else []
        group = groups[number] if number < len(groups) else None
        items = group.items if isinstance(group, SequenceValue) else []
        paddings = [item for item in items if type(item) is int and item >= 0]
        return (paddings + [0] * count)[:count]

    def _from_ranks(self, groups: list[Shapes]) -> dict[str, TensorRef]:
        """Put the weights of stage 3 together from what each rank holds of them."""
        ranks = [state.groups("fp32_flat_groups") for state in self._states]
        found: dict[str, TensorRef] = {}
        offset = 0
        for shapes in groups:
            for name, shape in shapes.items():
                numel = math.prod(shape)
                each = -(-numel // len(ranks))
                slices: list[TensorRef] = []
                for number, rank in enumerate(ranks):
                    count = min(each, numel - number * each)
                    slices += _iter_slices(rank, offset, count)
                found[name] = cut_flat(name, slices or ranks[0], 0, shape)
                offset += each
        for rank in ranks:
            self._check_used(offset, sum(part.numel for part in rank), 1)
        return found

    def _check_used(self, used: int, available: int, alignment: int) -> None:
        """Check that the weights take up all there is, but for what alignment may add."""
        if -(-used // alignment) != -(-available // alignment):
            raise TensorError(
                "weights of DeepSpeed that do not fit their shapes",
                source=self._parts.source.name,
                expected=f"{used} elements, as param_shapes says",
                found=str(available),
            )

    def _frozen(self) -> dict[str, Value]:
        """Return the weights that were not trained; they keep the dtype they had."""
        value = self._models[0].find("frozen_param_shapes")
        if not isinstance(value, MappingValue):
            return {}
        found: dict[str, Value] = {}
        for name, shape in self._shapes(value, "frozen_param_shapes").items():
            fragments = [self._fragment(model, name) for model in self._models]
            if self._stage != 3 and fragments[0].shape == shape:
                found[name] = fragments[0]
                continue
            for fragment in fragments:
                _check_flat(fragment, name)
            found[name] = cut_flat(name, fragments, 0, shape)
        return found

    def _fragment(self, model: MappingValue, name: str) -> TensorRef:
        fragments = model.find("frozen_param_fragments")
        found = fragments.find(name) if isinstance(fragments, MappingValue) else None
        if not isinstance(found, TensorRef):
            raise TensorError(
                "weight that was not trained is missing",
                source=self._parts.source.name,
                record=name,
                expected="a tensor in frozen_param_fragments of every model file",
                found=type(found).__name__,
            )
        return found

    def _add_shared(self, entries: dict[str, Value]) -> None:
        """Give weights their second names."""
        value = self._models[0].find("shared_params")
        if not isinstance(value, MappingValue):
            return
        for key, source in value.entries:
            name, kept = as_text(key), as_text(source)
            if name is not None and kept is not None and kept in entries:
                entries[name] = entries[kept]

    def _note(
        self, entries: dict[str, Value], buffers: set[str | None], replaced: list[TensorRef]
    ) -> None:
        cast = [
            name
            for name, item in entries.items()
            if name in buffers and isinstance(item, TensorRef) and item.dtype.name != "float32"
        ]
        if cast:
            text = f"{len(cast)} buffers keep their dtypes; zero_to_fp32 would cast them to float32"
            self._parts.note("deepspeed_buffers", text)
        if replaced:
            dtypes = ", ".join(sorted({item.dtype.name for item in replaced}))
            nbytes = sum(item.nbytes for item in replaced)
            text = (
                f"left out: the copy of {len(replaced)} weights that was trained with "
                f"({dtypes}, {nbytes} bytes); the weights of the optimizer stand for it"
            )
            self._parts.note("deepspeed_copy_left_out", text)


def _check_flat(tensor: TensorRef, where: str) -> None:
    if len(tensor.shape) != 1:
        raise TensorError(
            "part of a weight that is not flat",
            record=where,
            expected="one dimension",
            found=f"sizes {list(tensor.shape)}",
        )


def _iter_slices(parts: list[TensorRef], start: int, count: int) -> Iterator[TensorRef]:
    """Yield `count` elements from `start` on of tensors that lie end to end."""
    position = 0
    for part in parts:
        low, high = max(start, position), min(start + count, position + part.numel)
        if low < high:
            yield slice_flat(part, low - position, high - low)
        position += part.numel

"""Live tensors: the one place, beside the oracle, that may import torch, and only when asked.

Names of dtypes, layouts and schemes from a file are looked up in tables of this package before
torch is asked for the thing; no other name from a file is looked up at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from converter.checkpoint.live_arrays import array_of
from converter.checkpoint.live_memory import StorageMemory
from converter.checkpoint.live_numpy import ArrayMaker, inert_composite
from converter.checkpoint.live_tree import LiveTree, TensorMaker
from converter.checkpoint.live_values import InertObject
from converter.checkpoint.tensor import PARAMETER_CLASS, TensorRef
from converter.checkpoint.values import CompositeTensor
from converter.dtypes import BY_NAME
from converter.errors import PlanError, UnsupportedError

if TYPE_CHECKING:
    from converter.checkpoint.canonical import Checkpoint, Component
    from converter.checkpoint.storage import Storage

# What torch.load makes of one; a tensor of these classes is that class here as well.
_NUMPY: Final = "numpy."
_COMPRESSED: Final = {
    "sparse_csr": ("crow_indices", "col_indices"),
    "sparse_bsr": ("crow_indices", "col_indices"),
    "sparse_csc": ("ccol_indices", "row_indices"),
    "sparse_bsc": ("ccol_indices", "row_indices"),
}
# The integers that quantised elements are stored as.
_STORED_AS: Final = {
    "qint8": "int8",
    "quint8": "uint8",
    "qint32": "int32",
    "quint4x2": "uint8",
    "quint2x4": "uint8",
}
_REBUILD_ERRORS: Final = (RuntimeError, ValueError, TypeError, KeyError, AttributeError)


def live_state_dict(checkpoint: Checkpoint, name: str) -> dict[str, Any]:
    """Return the tensors of a component, live: see `Checkpoint.state_dict`."""
    component = next((one for one in checkpoint.components if one.name == name), None)
    if component is None:
        names = ", ".join(repr(one.name) for one in checkpoint.components)
        msg = f"no such component: {name!r}: expected one of {names or 'none'}"
        raise PlanError(msg)
    maker = tensor_maker()
    tree = LiveTree(maker)
    found: dict[str, Any] = {}
    parts = _parts_by_owner(component)
    for key, tensor in component.tensors.items():
        owner = parts.get(id(tensor), key)
        if owner not in found:
            composite = component.composites.get(owner)
            made = maker.tensor(_bare(tensor)) if composite is None else tree.live(composite)
            if isinstance(made, InertObject):
                found[key] = maker.tensor(_bare(tensor))
                continue
            found[owner] = made
    for key, composite in component.composites.items():
        if not composite.parts:
            found[key] = tree.live(composite)
    return found


def live_tree(checkpoint: Checkpoint) -> Any:  # noqa: ANN401 - of any type
    """Return the whole tree, live: see `Checkpoint.to_python`."""
    if checkpoint.opened.error is not None:
        raise checkpoint.opened.error
    return LiveTree(tensor_maker()).live(checkpoint.opened.root)


def tensor_maker() -> TensorMaker:
    """Return what makes tensors here: torch if it is installed, else numpy."""
    try:
        import torch
    except ImportError:
        return ArrayMaker()
    return _TorchMaker(torch)


def _bare(tensor: TensorRef) -> TensorRef:
    """Return a tensor as a state_dict has it: neither a parameter nor one that wants gradients."""
    return TensorRef(
        tensor.storage,
        tensor.dtype,
        tensor.shape,
        tensor.stride,
        tensor.offset,
        tensor.conj,
        tensor.neg,
    )


def _parts_by_owner(component: Component) -> dict[int, str]:
    """Return identity of a part → the name of the tensor it is a part of."""
    owners: dict[int, str] = {}
    for name, composite in component.composites.items():
        for _, part in composite.parts:
            if isinstance(part, TensorRef):
                owners[id(part)] = name
    return owners


class _TorchMaker:
    """Makes torch tensors over storages; each storage is one, whoever looks into it."""

    def __init__(self, torch: Any) -> None:  # noqa: ANN401 - the module
        self._torch: Final = torch
        self._memory: Final = StorageMemory()
        self._storages: Final[dict[tuple[int, int], tuple[Storage, Any]]] = {}

    def tensor(self, value: TensorRef) -> Any:  # noqa: ANN401
        if value.class_name.startswith(_NUMPY):
            return array_of(value, self._memory)
        torch = self._torch
        dtype, shape, stride, offset = self._dtype(value), value.shape, value.stride, value.offset
        if value.dtype.packed != 1:
            # Several values to a byte: what can be shown by itself are the bytes.
            shape, stride, offset = (value.nbytes,), (1,), offset // value.dtype.packed
        device = "meta" if self._is_meta(value.storage) else "cpu"
        made = torch.empty((0,), dtype=dtype, device=device)
        made.set_(self._untyped(value.storage, value.dtype.swap), offset, shape, stride)
        if value.conj:
            made = made.conj()
        if value.neg:
            made = torch._neg_view(made)  # noqa: SLF001 - there is no public way to set the bit
        wants = value.requires_grad and (dtype.is_floating_point or dtype.is_complex)
        if value.class_name == PARAMETER_CLASS:
            return torch.nn.Parameter(made, requires_grad=wants)
        return made.requires_grad_(wants)

    def attach(self, tensor: Any, attributes: dict[str, Any]) -> None:  # noqa: ANN401
        for name, value in attributes.items():
            # What every tensor has by its class is behaviour, and stays torch's.
            if hasattr(tensor, "__dict__") and not hasattr(type(tensor), name):
                vars(tensor)[name] = value

    def storage(self, value: Storage) -> Any:  # noqa: ANN401
        swap = 1 if value.dtype is None else value.dtype.swap
        untyped = self._untyped(value, swap)
        if value.dtype is None:
            return untyped
        dtype = getattr(self._torch, value.dtype.name)
        return self._torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)

    def composite(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        make = {
            "sparse_coo": self._sparse_coo,
            **dict.fromkeys(_COMPRESSED, self._sparse_compressed),
            "quantized": self._quantized,
            "nested": self._nested,
            "jagged": self._jagged,
            "meta": self._meta,
            "uninitialized": self._uninitialized,
        }.get(value.kind)
        if make is None:
            return inert_composite(value, inside)
        try:
            made = make(value, inside)
        except _REBUILD_ERRORS:
            return inert_composite(value, inside)
        if value.class_name == PARAMETER_CLASS:
            return self._torch.nn.Parameter(made, requires_grad=value.requires_grad)
        return made

    def size(self, items: list[Any]) -> Any:  # noqa: ANN401
        if all(type(item) is int and -(1 << 63) <= item < 1 << 63 for item in items):
            return self._torch.Size(items)
        return tuple(items)

    def plain(self, kind: str, fields: tuple[Any, ...]) -> Any:  # noqa: ANN401
        name = fields[0] if fields and isinstance(fields[0], str) else ""
        found = None
        if kind in ("torch.dtype", "torch.layout", "torch.qscheme") and name.isidentifier():
            found = getattr(self._torch, name, None)
            expected = kind.removeprefix("torch.")
            if type(found) is not getattr(self._torch, expected):
                found = None
        elif kind == "torch.device":
            try:
                found = self._torch.device(*fields)
            except _REBUILD_ERRORS:
                found = None
        return InertObject(kind, args=fields) if found is None else found

    def _dtype(self, value: TensorRef) -> Any:  # noqa: ANN401
        name = _STORED_AS.get(value.dtype.name, value.dtype.name)
        found = getattr(self._torch, name, None)
        if found is None:
            raise UnsupportedError(
                "element type that the installed torch has not",
                expected="a newer torch",
                found=repr(value.dtype),
            )
        return found

    def _is_meta(self, storage: Storage) -> bool:
        return storage.data is None and not storage.left_out and storage.nbytes > 0

    def _untyped(self, storage: Storage, swap: int) -> Any:  # noqa: ANN401
        key = (id(storage), swap if storage.big_endian else 1)
        if key not in self._storages:
            self._storages[key] = (storage, self._make_untyped(storage, swap))
        return self._storages[key][1]

    def _make_untyped(self, storage: Storage, swap: int) -> Any:  # noqa: ANN401
        torch = self._torch
        if self._is_meta(storage):
            return torch.UntypedStorage(storage.nbytes, device="meta")
        if storage.nbytes == 0:
            return torch.UntypedStorage(0)
        buffer, start = self._memory.buffer_of(storage, swap)
        whole = torch.frombuffer(buffer, dtype=torch.uint8, count=storage.nbytes, offset=start)
        return whole.untyped_storage()

    # Tensors of several parts, by the functions that torch.load would use for them.

    def _sparse_coo(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        made = self._torch.sparse_coo_tensor(
            inside["indices"],
            inside["values"].detach(),
            value.shape,
            is_coalesced=inside.get("is_coalesced"),
            check_invariants=True,
        )
        return made.requires_grad_(value.requires_grad)

    def _sparse_compressed(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        compressed, plain = _COMPRESSED[value.kind]
        made = self._torch.sparse_compressed_tensor(
            inside[compressed],
            inside[plain],
            inside["values"].detach(),
            value.shape,
            layout=getattr(self._torch, value.kind),
            check_invariants=True,
        )
        return made.requires_grad_(value.requires_grad)

    def _quantized(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        torch = self._torch
        data = dict(value.parts)["int_repr"]
        if not isinstance(data, TensorRef):
            raise TypeError(value.kind)
        typed = torch.storage.TypedStorage(
            wrap_storage=self._untyped(data.storage, data.dtype.swap),
            dtype=getattr(torch, data.dtype.name),
            _internal=True,
        )
        if "scale" in inside:
            rest: tuple[Any, ...] = (inside["qscheme"], inside["scale"], inside["zero_point"])
        else:
            rest = (
                inside["qscheme"],
                torch.as_tensor(inside["scales"]),
                torch.as_tensor(inside["zero_points"]),
                inside["axis"],
            )
        return torch._utils._rebuild_qtensor(  # noqa: SLF001 - the one way for every scheme
            typed, data.offset, data.shape, data.stride, rest, value.requires_grad, None
        )

    def _nested(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        made = self._torch._utils._rebuild_nested_tensor(  # noqa: SLF001 - the one way
            inside["buffer"].detach(), inside["sizes"], inside["strides"], inside["offsets"]
        )
        return made.requires_grad_(value.requires_grad)

    def _jagged(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        names = {name.removeprefix("_"): item for name, item in inside.items()}
        made = self._torch.nested.nested_tensor_from_jagged(
            names["values"].detach(),
            offsets=names["offsets"],
            lengths=names.get("lengths"),
            jagged_dim=names.get("ragged_idx", 1),
        )
        return made.requires_grad_(bool(names.get("requires_grad")))

    def _uninitialized(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        lazy = self._torch.nn.parameter
        if value.class_name.endswith(".UninitializedBuffer"):
            return lazy.UninitializedBuffer(requires_grad=value.requires_grad)
        return lazy.UninitializedParameter(requires_grad=value.requires_grad)

    def _meta(self, value: CompositeTensor, inside: dict[str, Any]) -> Any:  # noqa: ANN401
        if value.dtype is None or value.dtype.name not in BY_NAME:
            raise TypeError(value.kind)
        return self._torch.empty_strided(
            value.shape,
            inside["stride"],
            dtype=getattr(self._torch, value.dtype.name),
            device="meta",
            requires_grad=value.requires_grad,
        )

"""What torch's rebuild functions would have built: dense tensors and parameters, by reference.

Argument lists are those of torch/_utils.py and torch/_tensor.py, 1.0 to 2.13, and of the classes
that pickled themselves before 0.4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import (
    PARAMETER_CLASS,
    TENSOR_CLASS,
    TensorRef,
    check_bounds,
)
from converter.checkpoint.values import CompositeTensor, MappingValue, Value
from converter.dtypes import BY_NAME, DType
from converter.inert.nodes import CallNode, ListNode, Node, TupleNode
from converter.readers.rebuild.plain_values import arguments, require_untouched
from converter.readers.rebuild.rebuilder import NotThisShapeError, Rebuilder
from converter.readers.rebuild.torch_names import dtype_of

if TYPE_CHECKING:
    from collections.abc import Callable

_UINT8: Final = BY_NAME["uint8"]


def storage_of(node: Node, rebuilder: Rebuilder) -> Storage:
    """Return the storage a node stands for.

    Raises:
        NotThisShapeError: it stands for something else.
    """
    value = rebuilder.convert(node)
    if isinstance(value, Storage):
        return value
    raise NotThisShapeError


def sizes_of(node: Node, rebuilder: Rebuilder) -> tuple[int, ...]:
    """Return a size or stride: a tuple or list of ints, or a ``torch.Size`` call."""
    if isinstance(node, CallNode) and rebuilder.name_of(node.func) == ("torch", "Size"):
        items = rebuilder.items_of(node.args)
        if not items:
            return ()
        node = items[0]
    if not isinstance(node, (TupleNode, ListNode)):
        raise NotThisShapeError
    sizes = tuple(node.items)
    for size in sizes:
        if type(size) is not int:
            raise NotThisShapeError
    return sizes  # type: ignore[return-value]


def _integer(node: Node) -> int:
    if type(node) is not int:
        raise NotThisShapeError
    return node


def _is_empty_mapping(node: Node) -> bool:
    if node is None:
        return True
    if isinstance(node, CallNode):
        args = node.args
        return not (node.entries or node.states or node.appended) and (
            isinstance(args, TupleNode) and (not args.items or _is_empty_list(args.items[0]))
        )
    return False


def _is_empty_list(node: Node) -> bool:
    return isinstance(node, (ListNode, TupleNode)) and not node.items


def with_attributes(name: str, node: Node, rebuilder: Rebuilder) -> Value:
    """Return hooks or a state as attributes of a tensor: None when there are none."""
    if _is_empty_mapping(node):
        return None
    return MappingValue("dict", [(name, rebuilder.convert(node))])


def _bits(node: Node, rebuilder: Rebuilder) -> tuple[bool, bool]:
    """Return (conj, neg) of a metadata dict."""
    if node is None:
        return (False, False)
    value = rebuilder.convert(node)
    if not isinstance(value, MappingValue):
        raise NotThisShapeError
    flat = getattr(node, "items", None)
    if not isinstance(flat, list):
        raise NotThisShapeError
    bits = {"conj": False, "neg": False}
    for key, item in zip(flat[::2], flat[1::2], strict=False):
        if not isinstance(key, str) or key not in bits or type(item) is not bool:
            raise NotThisShapeError
        bits[key] = item
    return (bits["conj"], bits["neg"])


def strided(  # noqa: PLR0913 - the arguments of torch's own function
    rebuilder: Rebuilder,
    storage_node: Node,
    offset: Node,
    size: Node,
    stride: Node,
    *,
    dtype: DType | None = None,
    requires_grad: bool = False,
    hooks: Node = None,
    metadata: Node = None,
) -> TensorRef:
    """Return a checked dense tensor; `dtype` None takes the storage's.

    Raises:
        NotThisShapeError: an argument has another type than torch's functions take.
        TensorError: the tensor lies outside its storage.
    """
    storage = storage_of(storage_node, rebuilder)
    conj, neg = _bits(metadata, rebuilder) if metadata is not None else (False, False)
    tensor = TensorRef(
        storage,
        dtype or storage.dtype or _UINT8,
        sizes_of(size, rebuilder),
        sizes_of(stride, rebuilder),
        _integer(offset),
        conj,
        neg,
        requires_grad,
        TENSOR_CLASS,
        with_attributes("_backward_hooks", hooks, rebuilder) if hooks is not None else None,
    )
    check_bounds(tensor, rebuilder.limits, rebuilder.record)
    return tensor


def _usual_tensor(call: CallNode, rebuilder: Rebuilder) -> TensorRef | None:
    """Return what nearly every call of ``_rebuild_tensor_v2`` builds; None where it is not sure.

    The same tensor as `strided` gives, and the same checks in one place: rebuilding is the
    largest part of planning 100,000 tensors, and no step of it stands out, there are just many
    calls. Whatever is unusual, allowed or not, is left to `strided`, which has the words for it.
    """
    args = call.args
    if type(args) is not TupleNode or len(args.items) != 6:
        return None
    if call.states or call.entries or call.appended or call.kwargs is not None:
        return None
    storage_node, offset, size, stride, requires_grad, hooks = args.items
    if not (type(offset) is int and type(size) is type(stride) is TupleNode):
        return None
    if hooks is not None and not _is_empty_mapping(hooks):
        return None
    storage = rebuilder.convert(storage_node)
    if type(storage) is not Storage:
        return None
    shape, steps = tuple(size.items), tuple(stride.items)
    if offset < 0 or not len(shape) == len(steps) <= rebuilder.limits.max_dims:
        return None
    last = offset
    for length, step in zip(shape, steps, strict=True):
        if not (type(length) is type(step) is int and length > 0 and step > 0):
            return None
        last += (length - 1) * step
    dtype = storage.dtype
    if dtype is None or dtype.packed != 1 or (last + 1) * dtype.itemsize > storage.nbytes:
        return None
    grad = requires_grad is True
    return TensorRef(storage, dtype, shape, steps, offset, requires_grad=grad)  # type: ignore[arg-type]


def _tensor_v1(call: CallNode, rebuilder: Rebuilder) -> Value:
    require_untouched(call)
    return strided(rebuilder, *arguments(call, rebuilder, 4, 4))


def _tensor_v2(call: CallNode, rebuilder: Rebuilder) -> Value:
    usual = _usual_tensor(call, rebuilder)
    if usual is not None:
        return usual
    require_untouched(call)
    args = arguments(call, rebuilder, 6, 7)
    return strided(
        rebuilder,
        *args[:4],
        requires_grad=args[4] is True,
        hooks=args[5],
        metadata=args[6] if len(args) > 6 else None,
    )


def _tensor_v3(call: CallNode, rebuilder: Rebuilder) -> Value:
    require_untouched(call)
    args = arguments(call, rebuilder, 7, 8)
    return strided(
        rebuilder,
        *args[:4],
        requires_grad=args[4] is True,
        hooks=args[5],
        dtype=dtype_of(args[6], rebuilder),
        metadata=args[7] if len(args) > 7 else None,
    )


def tensor_of(node: Node, rebuilder: Rebuilder) -> TensorRef | CompositeTensor:
    """Return the tensor a node stands for.

    Raises:
        NotThisShapeError: it stands for something else.
    """
    value = rebuilder.convert(node)
    if isinstance(value, (TensorRef, CompositeTensor)):
        return value
    raise NotThisShapeError


def _as_parameter(
    tensor: TensorRef | CompositeTensor, *, requires_grad: bool, attributes: Value
) -> Value:
    class_name = PARAMETER_CLASS if tensor.class_name == TENSOR_CLASS else tensor.class_name
    if isinstance(tensor, CompositeTensor):
        facts = tensor.facts
        if attributes is not None:
            facts = (*facts, ("(attributes)", attributes))
        return replace(tensor, requires_grad=requires_grad, class_name=class_name, facts=facts)
    return replace(
        tensor,
        requires_grad=requires_grad,
        class_name=class_name,
        attributes=merged(tensor.attributes, attributes),
    )


def merged(first: Value, second: Value) -> Value:
    """Return the attributes of two layers of a tensor together."""
    if isinstance(first, MappingValue) and isinstance(second, MappingValue):
        return MappingValue("dict", [*first.entries, *second.entries])
    return second if first is None else first


def _parameter(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``_rebuild_parameter(tensor, requires_grad, hooks)`` and ``…_with_state(…, state)``."""
    require_untouched(call)
    args = arguments(call, rebuilder, 3, 4)
    attributes = with_attributes("_backward_hooks", args[2], rebuilder)
    if len(args) == 4:
        attributes = merged(attributes, with_attributes("(state)", args[3], rebuilder))
    tensor = tensor_of(args[0], rebuilder)
    return _as_parameter(tensor, requires_grad=args[1] is True, attributes=attributes)


def _old_parameter(call: CallNode, rebuilder: Rebuilder) -> Value:
    """Build what torch 0.1 to 0.3 wrote: a call with a tensor, then BUILD (grad, volatile, hooks).

    An even older Variable state is (data, grad_fn, hooks, requires_grad, volatile).
    """
    require_untouched(call, "states")
    args = arguments(call, rebuilder, 0, 2)
    state = rebuilder.items_of(call.states[-1]) if call.states else []
    data = args[0] if args else None
    requires_grad, hooks = (args[1] if len(args) > 1 else True), None
    if len(state) == 3:
        requires_grad, hooks = state[0], state[2]
    elif len(state) == 5:
        data, hooks, requires_grad = (data or state[0]), state[2], state[3]
    elif state:
        raise NotThisShapeError
    tensor = tensor_of(data, rebuilder)
    attributes = with_attributes("_backward_hooks", hooks, rebuilder)
    if rebuilder.name_of(call.func) == ("torch.autograd.variable", "Variable"):
        if isinstance(tensor, CompositeTensor):
            raise NotThisShapeError
        return replace(tensor, requires_grad=requires_grad is True, attributes=attributes)
    return _as_parameter(tensor, requires_grad=requires_grad is True, attributes=attributes)


def _old_tensor(call: CallNode, rebuilder: Rebuilder) -> Value:
    """Before 0.4: ``torch.FloatTensor()``, then BUILD (storage, offset, size, stride)."""
    require_untouched(call, "states")
    arguments(call, rebuilder, 0, 0)
    if not call.states:
        raise NotThisShapeError
    state = rebuilder.items_of(call.states[-1])
    if len(state) != 4:
        raise NotThisShapeError
    return strided(rebuilder, *state)


def _load_from_bytes(call: CallNode, rebuilder: Rebuilder) -> Value:
    """``torch.storage._load_from_bytes``: a whole legacy stream inside one bytes operand."""
    require_untouched(call)
    args = arguments(call, rebuilder, 1, 1)
    blob = rebuilder.convert(args[0])
    if not isinstance(blob, bytes):
        raise NotThisShapeError
    return rebuilder.read_blob(blob, call.offset)


_OLD_TENSORS: Final = tuple(
    f"{name}Tensor"
    for name in ("Double", "Float", "Half", "Long", "Int", "Short", "Char", "Byte", "Bool")
)

BUILDERS: Final[dict[tuple[str, str], Callable[[CallNode, Rebuilder], Value]]] = {
    ("torch._utils", "_rebuild_tensor"): _tensor_v1,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch.nn.parameter", "Parameter"): _old_parameter,
    ("torch.autograd.variable", "Variable"): _old_parameter,
    ("torch.storage", "_load_from_bytes"): _load_from_bytes,
    **{(mod, name): _old_tensor for mod in ("torch", "torch.cuda") for name in _OLD_TENSORS},
}
"""Canonical (module, name) → what calling it would have built."""

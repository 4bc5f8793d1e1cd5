"""Each of torch's rebuild functions, argument by argument; any other shape of call stays inert.

The argument lists are those of torch/_utils.py and torch/_tensor.py, written opcode by opcode.
"""

from __future__ import annotations

import pytest

from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import InertValue, MappingValue, Value
from corpus import hostile_writer as op
from tests.support.logical_bytes import read_bytes
from tests.support.pickles import torch_zip
from tests.support.small_files import NUMBERS

TRUE, FALSE = b"\x88", b"\x89"
NO_HOOKS = op.named("collections", "OrderedDict") + op.EMPTY_TUPLE + op.REDUCE
STORAGE = op.storage()
COMPLEX = op.storage(numel=2, class_=op.named("torch", "ComplexFloatStorage"))
V2 = op.named("torch._utils", "_rebuild_tensor_v2")
V3 = op.named("torch._utils", "_rebuild_tensor_v3")
PARAMETER = op.named("torch._utils", "_rebuild_parameter")
STATEFUL = op.named("torch._utils", "_rebuild_parameter_with_state")
OLD = op.named("torch.nn.parameter", "Parameter")
VARIABLE = op.named("torch.autograd.variable", "Variable")
PARAMETER_CLASS = "torch.nn.parameter.Parameter"


def ints(*values: int) -> bytes:
    return op.MARK + b"".join(map(op.number, values)) + op.TUPLE


def mapping(**values: bytes) -> bytes:
    items = b"".join(op.text(name) + value for name, value in values.items())
    return op.EMPTY_DICT + op.MARK + items + op.SETITEMS


def tuple_of(*values: bytes) -> bytes:
    return op.MARK + b"".join(values) + op.TUPLE


def root(pickle: bytes) -> Value:
    return read_bytes(torch_zip(op.PROTO2 + pickle + op.STOP, {"0": NUMBERS})).root


def tensor(pickle: bytes) -> TensorRef:
    found = root(pickle)
    assert isinstance(found, TensorRef)
    return found


def attributes(found: TensorRef) -> list[tuple[object, object]]:
    """Return what is set on a tensor, small mappings as their entries."""
    if found.attributes is None:
        return []
    assert isinstance(found.attributes, MappingValue)
    return [
        (name, list(value.entries) if isinstance(value, MappingValue) else value)
        for name, value in found.attributes.entries
    ]


PLAIN = op.call(V2, STORAGE, op.number(1), ints(2), ints(1), FALSE, NO_HOOKS)


def test_first_function_has_four_arguments() -> None:
    func = op.named("torch._utils", "_rebuild_tensor")
    found = tensor(op.call(func, STORAGE, op.number(1), ints(2, 1), ints(1, 7)))
    assert (found.shape, found.stride, found.offset) == ((2, 1), (1, 7), 1)
    assert (found.dtype.name, found.storage.nbytes, found.class_name) == (
        "float32",
        16,
        "torch.Tensor",
    )
    assert (found.conj, found.neg, found.requires_grad, found.attributes) == (*[False] * 3, None)


@pytest.mark.parametrize(("flag", "expected"), [(TRUE, True), (FALSE, False), (op.NONE, False)])
def test_second_function_keeps_requires_grad(flag: bytes, expected: bool) -> None:  # noqa: FBT001
    found = tensor(op.call(V2, STORAGE, op.number(0), ints(4), ints(1), flag, NO_HOOKS))
    assert found.requires_grad is expected
    assert found.attributes is None


def test_hooks_are_kept_with_the_tensor() -> None:
    found = tensor(op.call(V2, STORAGE, op.number(0), ints(4), ints(1), FALSE, mapping(a=TRUE)))
    assert attributes(found) == [("_backward_hooks", [("a", True)])]
    hooks = NO_HOOKS + op.MARK + op.number(3) + TRUE + op.SETITEMS
    found = tensor(op.call(V2, STORAGE, op.number(0), ints(4), ints(1), FALSE, hooks))
    assert attributes(found) == [("_backward_hooks", [(3, True)])]


@pytest.mark.parametrize(
    ("metadata", "conj", "neg"),
    [
        (op.NONE, False, False),
        (mapping(), False, False),
        (mapping(conj=TRUE), True, False),
        (mapping(neg=TRUE), False, True),
        (mapping(conj=FALSE, neg=TRUE), False, True),
        (mapping(neg=TRUE, conj=TRUE), True, True),
    ],
)
def test_bits_of_the_metadata(metadata: bytes, conj: bool, neg: bool) -> None:  # noqa: FBT001
    arguments = (op.number(0), ints(2), ints(1), FALSE, NO_HOOKS)
    found = tensor(op.call(V2, COMPLEX, *arguments, metadata))
    assert (found.conj, found.neg, found.dtype.name) == (conj, neg, "complex64")
    dtype = op.named("torch", "complex64")
    found = tensor(op.call(V3, COMPLEX, *arguments, dtype, metadata))
    assert (found.conj, found.neg) == (conj, neg)


def test_third_function_names_its_own_type() -> None:
    arguments = (ints(3), ints(1), TRUE, mapping(a=FALSE), op.named("torch", "uint32"))
    found = tensor(op.call(V3, STORAGE, op.number(1), *arguments))
    assert (found.dtype.name, found.shape, found.offset) == ("uint32", (3,), 1)
    assert (found.requires_grad, attributes(found)) == (True, [("_backward_hooks", [("a", False)])])


def test_untyped_storage_is_of_bytes() -> None:
    untyped = op.storage(numel=16, class_=op.named("torch.storage", "UntypedStorage"))
    found = tensor(op.call(V2, untyped, op.number(3), ints(13), ints(1), FALSE, NO_HOOKS))
    assert (found.dtype.name, found.shape, found.offset) == ("uint8", (13,), 3)


def test_sizes_may_be_a_list_or_a_size() -> None:
    size = op.call(op.named("torch", "Size"), ints(2, 2))
    steps = op.EMPTY_LIST + op.MARK + op.number(1) + op.number(2) + b"e"
    found = tensor(op.call(V2, STORAGE, op.number(0), size, steps, FALSE, NO_HOOKS))
    assert (found.shape, found.stride) == ((2, 2), (1, 2))
    nothing = op.call(op.named("torch", "Size"))
    found = tensor(op.call(V2, STORAGE, op.number(3), nothing, ints(), FALSE, NO_HOOKS))
    assert (found.shape, found.stride, found.offset) == ((), (), 3)


@pytest.mark.parametrize(("flag", "expected"), [(TRUE, True), (FALSE, False)])
def test_parameter(flag: bytes, expected: bool) -> None:  # noqa: FBT001
    found = tensor(op.call(PARAMETER, PLAIN, flag, NO_HOOKS))
    assert (found.class_name, found.requires_grad) == (PARAMETER_CLASS, expected)
    assert (found.shape, found.offset, found.attributes) == ((2,), 1, None)


def test_state_of_a_parameter_stands_behind_its_hooks() -> None:
    state = mapping(tag=op.number(7))
    found = tensor(op.call(STATEFUL, PLAIN, TRUE, mapping(a=TRUE), state))
    assert attributes(found) == [
        ("_backward_hooks", [("a", True)]),
        ("(state)", [("tag", 7)]),
    ]
    found = tensor(op.call(STATEFUL, PLAIN, TRUE, NO_HOOKS, state))
    assert attributes(found) == [("(state)", [("tag", 7)])]
    inner = op.call(V2, STORAGE, op.number(0), ints(4), ints(1), FALSE, mapping(b=TRUE))
    found = tensor(op.call(STATEFUL, inner, TRUE, NO_HOOKS, state))
    assert attributes(found) == [("_backward_hooks", [("b", True)]), ("(state)", [("tag", 7)])]
    found = tensor(op.call(PARAMETER, inner, TRUE, NO_HOOKS))
    assert attributes(found) == [("_backward_hooks", [("b", True)])]


@pytest.mark.parametrize(
    ("made", "requires_grad"),
    [
        (op.call(OLD, PLAIN), True),
        (op.call(OLD, PLAIN, TRUE), True),
        (op.call(OLD, PLAIN, FALSE), False),
        (op.call(OLD, PLAIN) + tuple_of(FALSE, FALSE, NO_HOOKS) + op.BUILD, False),
        (op.call(OLD, PLAIN, FALSE) + tuple_of(TRUE, FALSE, NO_HOOKS) + op.BUILD, True),
        (op.call(OLD) + tuple_of(PLAIN, op.NONE, NO_HOOKS, TRUE, FALSE) + op.BUILD, True),
        (op.call(OLD) + tuple_of(PLAIN, op.NONE, NO_HOOKS, FALSE, TRUE) + op.BUILD, False),
    ],
)
def test_old_parameter(made: bytes, requires_grad: bool) -> None:  # noqa: FBT001
    found = tensor(made)
    assert (found.class_name, found.requires_grad) == (PARAMETER_CLASS, requires_grad)
    assert (found.shape, found.offset, found.attributes) == ((2,), 1, None)
    found = tensor(made.replace(OLD, VARIABLE))
    assert (found.class_name, found.requires_grad) == ("torch.Tensor", requires_grad)


def test_hooks_of_an_old_parameter() -> None:
    for state in (
        tuple_of(TRUE, FALSE, mapping(a=TRUE)),
        tuple_of(PLAIN, op.NONE, mapping(a=TRUE), TRUE, FALSE),
    ):
        found = tensor(op.call(OLD, PLAIN) + state + op.BUILD)
        assert attributes(found) == [("_backward_hooks", [("a", True)])]


def test_old_tensor() -> None:
    made = op.call(op.named("torch", "FloatTensor"))
    state = tuple_of(STORAGE, op.number(1), ints(3), ints(1))
    found = tensor(made + state + op.BUILD)
    assert (found.shape, found.stride, found.offset) == ((3,), (1,), 1)
    made = op.call(op.named("torch.cuda", "HalfTensor"))
    half = op.storage(numel=8, class_=op.named("torch.cuda", "HalfStorage"))
    found = tensor(made + tuple_of(half, op.number(2), ints(3), ints(2)) + op.BUILD)
    assert (found.dtype.name, found.stride, found.offset) == ("float16", (2,), 2)


OFFSET, SIZE, STRIDE = op.number(0), ints(4), ints(1)


@pytest.mark.parametrize(
    "made",
    [
        op.call(V2, STORAGE, OFFSET, SIZE, STRIDE, FALSE),
        op.call(V2, STORAGE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS, op.NONE, op.NONE),
        op.call(V2, op.NONE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS),
        op.call(V2, PLAIN, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS),
        op.call(V2, STORAGE, FALSE, SIZE, STRIDE, FALSE, NO_HOOKS),
        op.call(V2, STORAGE, OFFSET, op.number(4), STRIDE, FALSE, NO_HOOKS),
        op.call(V2, STORAGE, OFFSET, tuple_of(TRUE), STRIDE, FALSE, NO_HOOKS),
        op.call(V2, STORAGE, OFFSET, tuple_of(op.text("4")), STRIDE, FALSE, NO_HOOKS),
        op.call(V2, STORAGE, OFFSET, SIZE, tuple_of(op.NONE), FALSE, NO_HOOKS),
        op.call(V2, STORAGE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS, mapping(conj=op.number(1))),
        op.call(V2, STORAGE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS, mapping(other=TRUE)),
        op.call(V2, STORAGE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS, TRUE),
        op.call(V3, STORAGE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS),
        op.call(V3, STORAGE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS, op.named("torch", "device")),
        op.call(V3, STORAGE, OFFSET, SIZE, STRIDE, FALSE, NO_HOOKS, op.named("numpy", "int32")),
        op.call(PARAMETER, PLAIN, TRUE),
        op.call(PARAMETER, STORAGE, TRUE, NO_HOOKS),
        op.call(STATEFUL, PLAIN, TRUE, NO_HOOKS, op.NONE, op.NONE),
        op.call(OLD),
        op.call(OLD, STORAGE),
        op.call(OLD, PLAIN, TRUE, NO_HOOKS),
        op.call(OLD, PLAIN) + tuple_of(TRUE) + op.BUILD,
        op.call(OLD, PLAIN) + tuple_of(TRUE, FALSE, NO_HOOKS, op.NONE) + op.BUILD,
        op.call(op.named("torch", "FloatTensor")),
        op.call(op.named("torch", "FloatTensor")) + tuple_of(STORAGE, OFFSET, SIZE) + op.BUILD,
        op.call(op.named("torch", "FloatTensor"), STORAGE)
        + tuple_of(STORAGE, OFFSET, SIZE, STRIDE)
        + op.BUILD,
        op.call(op.named("torch.storage", "_load_from_bytes")),
        op.call(op.named("torch.storage", "_load_from_bytes"), op.number(1)),
        PLAIN + mapping(a=TRUE) + op.BUILD,
    ],
)
def test_any_other_call_stays_inert(made: bytes) -> None:
    assert isinstance(root(made), InertValue)


def test_storage_itself() -> None:
    assert isinstance(root(STORAGE), Storage)

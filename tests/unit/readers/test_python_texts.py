"""What values print as."""

from __future__ import annotations

import pytest

from converter.checkpoint.values import (
    ArrayValue,
    GlobalValue,
    InertValue,
    MappingValue,
    PlainValue,
    SequenceValue,
    Value,
)
from converter.inert.nodes import ByteString
from converter.readers.python_texts import Verbatim, printable, python_value
from tests.support.module_values import mapping_of, tensor_of, tuple_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        ("a'b\n", '"a\'b\\n"'),
        (b"\x00", "b'\\x00'"),
        (ByteString(b"zeros"), "'zeros'"),
        (tuple_of(), "()"),
        (tuple_of(1), "(1,)"),
        (tuple_of(1, tuple_of("x")), "(1, ('x',))"),
        (SequenceValue("list", [1, None]), "[1, None]"),
        (SequenceValue("set", [1]), "{1}"),
        (SequenceValue("deque", [1]), "deque([1])"),
        (SequenceValue("torch.Size", [2, 3]), "torch.Size([2, 3])"),
        (mapping_of({"a": 1}), "{'a': 1}"),
        (MappingValue("OrderedDict", [(1, 2)]), "OrderedDict({1: 2})"),
        (MappingValue("OrderedDict"), "OrderedDict()"),
        (PlainValue("torch.dtype", ("float32",)), "torch.float32"),
        (PlainValue("torch.device", ("cpu",)), "device(type='cpu')"),
        (PlainValue("torch.device", ("cuda:1",)), "device(type='cuda', index=1)"),
        (PlainValue("torch.device", ("cuda", 1)), "device(type='cuda', index=1)"),
        (PlainValue("Ellipsis", ()), "Ellipsis"),
        (PlainValue("slice", (1, None, 2)), "slice(1, None, 2)"),
        (GlobalValue("a", "b\x1b"), "<a.b\\x1b>"),
        (InertValue("a.B", "NEWOBJ"), "a.B(...)"),
        (tensor_of(1), "tensor(...)"),
        (ArrayValue(None, (1,), fortran=False, data=b""), "array(...)"),
    ],
)
def test_text(value: Value, text: str) -> None:
    assert repr(python_value(value)) == text


def test_long_collections_are_cut() -> None:
    assert repr(python_value(SequenceValue("list", [0] * 2_000))).endswith("0, ...]")
    entries: list[tuple[Value, Value]] = [(index, 0) for index in range(2_000)]
    assert repr(python_value(MappingValue("dict", entries))).endswith("999: 0, ...}")


def test_printable_leaves_letters_of_any_script() -> None:
    assert printable("naïve-名") == "naïve-名"
    assert printable("a\u202eb\ud800") == "a\\u202eb\\ud800"


def test_verbatim_compares_by_text() -> None:
    assert Verbatim("a") == Verbatim("a")
    assert Verbatim("a") != "a"
    assert len({Verbatim("a"), Verbatim("a")}) == 1

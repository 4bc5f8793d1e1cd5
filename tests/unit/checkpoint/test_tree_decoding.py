"""Trees from JSON: the same types, and one object where there was one."""

from __future__ import annotations

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue, SequenceValue, Value
from converter.inert.nodes import ByteString
from tests.unit.checkpoint.round_trips import (
    FLOAT32,
    again,
    storage_of,
)


def test_keys_keep_their_types() -> None:
    keys: list[Value] = [1, True, 1.0, "1", b"1", ByteString(b"1"), None, "True"]
    restored = again(MappingValue("dict", [(key, index) for index, key in enumerate(keys)]))
    assert isinstance(restored, MappingValue)
    assert [type(key) for key, _ in restored.entries] == [type(key) for key in keys]


def test_a_cycle_is_one_object() -> None:
    root = SequenceValue("list", [])
    root.items.append(MappingValue("dict", [("up", root)]))
    restored = again(root)
    assert isinstance(restored, SequenceValue)
    inner = restored.items[0]
    assert isinstance(inner, MappingValue)
    assert inner.entries[0][1] is restored


def test_a_tensor_may_hold_itself_and_others_in_its_attributes() -> None:
    attributes = MappingValue("dict")
    tensor = TensorRef(storage_of(1.0), FLOAT32, (1,), (1,), 0, attributes=attributes)
    other = TensorRef(storage_of(2.0), FLOAT32, (1,), (1,), 0, attributes=tensor)
    attributes.entries += [("self", tensor), ("other", other)]
    restored = again(tensor)
    assert isinstance(restored, TensorRef)
    assert isinstance(restored.attributes, MappingValue)
    assert restored.attributes.find("self") is restored

"""Files that the safetensors library wrote hold what it reads back; what it refuses is refused."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import assume, given
from hypothesis import strategies as st

from converter.byteio.source import MemorySource
from converter.errors import FormatError
from converter.limits import DEFAULT_LIMITS
from converter.readers.safetensors_source import read_safetensors
from tests.support.logical_bytes import logical_bytes, tensors_of
from tests.support.small_files import safetensors_file

DTYPES = st.sampled_from(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    st.tuples(DTYPES, st.lists(st.integers(0, 4), max_size=3).map(tuple)),
    max_size=5,
)


@given(TENSORS, st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_same_tensors(
    described: dict[str, tuple[str, tuple[int, ...]]], metadata: dict[str, str] | None
) -> None:
    # Without tensors and with empty metadata the library (0.8.0) writes a file it cannot read.
    assume(described or metadata != {})
    arrays = {
        name: np.arange(int(np.prod(shape))).astype(dtype).reshape(shape)
        for name, (dtype, shape) in described.items()
    }
    data = safetensors.numpy.save(arrays, metadata)
    found = tensors_of(read_safetensors(MemorySource(data, "a"), DEFAULT_LIMITS))
    expected = safetensors.numpy.load(data)
    for name, array in expected.items():
        assert found[name].shape == array.shape
        assert logical_bytes(found[name]) == array.tobytes()
    assert set(found) - set(expected) <= set(metadata or {})


@given(st.data())
def test_nothing_is_read_that_the_library_refuses(data: st.DataObject) -> None:
    content = bytearray(safetensors_file())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(content[: data.draw(st.integers(60, len(content)))])
    try:
        read_safetensors(MemorySource(changed, "a"), DEFAULT_LIMITS)
    except FormatError:
        return
    try:
        safetensors.deserialize(changed)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        pytest.fail(f"the library refuses it: {error}")

"""However a file is cut or changed, reading it ends in values or in an error of ours."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.errors import DepickleError
from converter.limits import Limits
from tests.support.logical_bytes import logical_bytes, read_bytes, tensors_of
from tests.support.small_files import NUMBERS, SMALL_FILES

# What no small file needs, and a changed length could ask for.
LIMITS = Limits(max_string_bytes=1 << 20, max_decompressed_bytes=1 << 20, max_overlap_bytes=1 << 10)


def touch(data: bytes) -> None:
    """Read everything that can be read; whatever error is not ours is let through."""
    with contextlib.suppress(DepickleError):
        opened = read_bytes(data, limits=LIMITS)
        for tensor in tensors_of(opened).values():
            if tensor.numel <= 1_000 and tensor.storage.data is not None:
                logical_bytes(tensor)


@pytest.mark.parametrize("kind", SMALL_FILES)
def test_whole_file_is_read(kind: str) -> None:
    opened = read_bytes(SMALL_FILES[kind]())
    assert opened.error is None
    (tensor,) = tensors_of(opened).values()
    assert tensor.dtype.name == "float32"
    assert logical_bytes(tensor) == NUMBERS


@pytest.mark.parametrize("kind", SMALL_FILES)
def test_cut_anywhere(kind: str) -> None:
    data = SMALL_FILES[kind]()
    for stop in range(len(data)):
        touch(data[:stop])


@pytest.mark.parametrize("kind", SMALL_FILES)
def test_every_byte_set_to_all_ones(kind: str) -> None:
    data = SMALL_FILES[kind]()
    for at in range(min(len(data), 2_000)):
        touch(data[:at] + b"\xff" + data[at + 1 :])


@given(st.data())
def test_any_bytes_changed(data: st.DataObject) -> None:
    content = bytearray(SMALL_FILES[data.draw(st.sampled_from(sorted(SMALL_FILES)))]())
    places = st.integers(0, len(content) - 1)
    for at, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        content[at] = byte
    touch(bytes(content))


@given(st.binary(max_size=200))
def test_any_bytes_at_all(data: bytes) -> None:
    touch(data)

"""Files that joblib wrote hold the arrays that were given to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import joblib
import numpy as np
import pytest

from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import ArrayValue, MappingValue
from converter.readers.opening import open_checkpoint
from tests.support.logical_bytes import logical_bytes

if TYPE_CHECKING:
    from pathlib import Path

PACKERS = ("zlib", "gzip", "bz2", "xz", "lzma")
ARRAYS: dict[str, np.ndarray] = {
    "plain": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(12)[::2],
    "big": np.arange(5, dtype=">i4"),
    "empty": np.zeros((0, 3), "<f4"),
    "bool": np.array([True, False]),
    "large": np.arange(300_000, dtype="<i8"),
}
CONTENT = {
    **ARRAYS,
    "text": np.array(["ab", "c"]),
    "scalar": np.float32(2.5),
    "zero_dims": np.array(7),
    "objects": np.array([{"a": np.arange(3)}, None], dtype=object),
    "record": np.zeros(2, [("a", "<f4"), ("b", "S2")]),
    "number": 5,
}


@pytest.mark.parametrize("compress", [0, *((kind, 3) for kind in PACKERS)])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays(compress: object, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "file.joblib"
    joblib.dump(CONTENT, path, compress=compress, protocol=protocol)
    checkpoint = open_checkpoint(path)
    opened = checkpoint.opened
    assert opened.error is None
    assert opened.writer == "joblib"
    root = opened.root
    assert isinstance(root, MappingValue)
    for name, array in ARRAYS.items():
        tensor = root.find(name)
        assert isinstance(tensor, TensorRef), name
        assert tensor.shape == array.shape
        if name == "large":
            assert tensor.storage.data is not None
            assert tensor.storage.data.read_at(0, tensor.nbytes) == array.tobytes()
        else:
            little = array.astype(array.dtype.newbyteorder("<"))
            assert logical_bytes(tensor) == little.tobytes()
    for name in ("text", "zero_dims", "record", "scalar"):
        value = root.find(name)
        assert isinstance(value, ArrayValue), name
        assert value.data == np.asarray(CONTENT[name]).tobytes()
    objects = root.find("objects")
    assert isinstance(objects, ArrayValue)
    assert root.find("number") == 5
    checkpoint.close()

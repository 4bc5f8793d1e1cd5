"""Distributed checkpoints that are not as they should be: each is refused with its reason."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from torch.distributed.checkpoint import metadata as dcp  # noqa: E402 - after the skip
from torch.distributed.checkpoint.filesystem import _StorageInfo  # noqa: E402 - after the skip

from converter.checkpoint.values import CompositeTensor  # noqa: E402 - after the skip
from converter.errors import (  # noqa: E402 - after the skip
    ContainerError,
    FormatError,
    SourceError,
    TensorError,
    UnsupportedError,
)
from converter.readers.opening import open_checkpoint  # noqa: E402 - after the skip
from tests.support.distributed_folders import raw_bytes  # noqa: E402 - after the skip
from tests.support.logical_bytes import logical_bytes  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

FULL = torch.arange(24.0).reshape(4, 6)


@dataclass
class Draft:
    """A folder in the making: two chunks of one tensor, and one value."""

    folder: Path
    chunks: list[Any] = field(default_factory=list)
    places: dict[Any, Any] = field(default_factory=dict)
    entries: dict[str, Any] = field(default_factory=dict)
    paths: Any = field(default_factory=lambda: {"w": ("w",), "epoch": ("epoch",)})
    data: bytearray = field(default_factory=bytearray)
    root: Any = None

    def add_item(self, index: Any, value: Any, **changes: Any) -> None:  # noqa: ANN401
        """Write one item and its place."""
        buffer = io.BytesIO()
        torch.save(value, buffer)
        facts = {
            "relative_path": "__0_0.distcp",
            "offset": len(self.data),
            "length": buffer.tell(),
            **changes,
        }
        self.data += buffer.getvalue()
        self.places[index] = _StorageInfo(**facts)

    def add_chunk(self, top: int, left: int, value: Any, **changes: Any) -> None:  # noqa: ANN401
        """Write a chunk of w."""
        offsets = torch.Size([top, left])
        self.chunks.append(dcp.ChunkStorageMetadata(offsets, value.shape))
        self.add_item(dcp.MetadataIndex("w", offsets), value, **changes)

    def write(self) -> Path:
        """Write the folder."""
        entry = dcp.TensorStorageMetadata(dcp.TensorProperties(), FULL.shape, self.chunks)
        entries = {"w": entry, "epoch": dcp.BytesStorageMetadata(), **self.entries}
        root = dcp.Metadata(entries, self.paths, self.places, None, "1.0.0")
        self.folder.mkdir(exist_ok=True)
        (self.folder / "__0_0.distcp").write_bytes(self.data)
        found = root if self.root is None else self.root
        (self.folder / ".metadata").write_bytes(pickle.dumps(found))
        return self.folder


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    """A sound folder, not yet written."""
    made = Draft(tmp_path / "dcp")
    made.add_chunk(0, 0, FULL[:, :2].clone())
    made.add_chunk(0, 2, FULL[:, 2:].clone())
    made.add_item(dcp.MetadataIndex("epoch"), 3)
    return made


def index(top: int, left: int) -> Any:  # noqa: ANN401 - torch's own
    return dcp.MetadataIndex("w", torch.Size([top, left]))


def test_a_sound_folder(draft: Draft) -> None:
    checkpoint = open_checkpoint(draft.write())
    (tensor,) = checkpoint.tensors().values()
    assert logical_bytes(tensor) == raw_bytes(FULL)
    assert tensor.storage.key == "w"
    assert checkpoint.opened.anomalies == []
    assert [name for name, _ in checkpoint.opened.graphs][:2] == [
        ".metadata!pickle",
        "__0_0.distcp@0!archive/data.pkl",
    ]
    checkpoint.close()


def lose_chunk(draft: Draft) -> None:
    draft.chunks.pop()


def repeat_chunk(draft: Draft) -> None:
    draft.chunks.append(draft.chunks[0])


def move_chunk(draft: Draft) -> None:
    draft.chunks[1] = dcp.ChunkStorageMetadata(torch.Size([0, 1]), torch.Size([4, 4]))
    draft.places[index(0, 1)] = draft.places.pop(index(0, 2))


def widen_chunk(draft: Draft) -> None:
    draft.chunks[1] = dcp.ChunkStorageMetadata(torch.Size([0, 2]), torch.Size([4, 5]))


def lose_place(draft: Draft) -> None:
    del draft.places[index(0, 2)]


def lose_value_place(draft: Draft) -> None:
    del draft.places[dcp.MetadataIndex("epoch")]


def other_dtype(draft: Draft) -> None:
    draft.add_item(index(0, 2), FULL[:, 2:].double())


def no_tensor(draft: Draft) -> None:
    draft.add_item(index(0, 2), [1, 2])


def beyond_the_file(draft: Draft) -> None:
    draft.places[index(0, 2)].length += 10_000


def before_the_file(draft: Draft) -> None:
    draft.places[index(0, 2)].offset = -5


def absent_files(draft: Draft) -> None:
    draft.places[index(0, 2)].relative_path = "__1_0.distcp"
    draft.places[index(0, 0)].relative_path = "__2_0.distcp"


def outside(draft: Draft) -> None:
    (draft.folder.parent / "outside.distcp").write_bytes(draft.data)
    draft.places[index(0, 2)].relative_path = "../outside.distcp"


def absolute(draft: Draft) -> None:
    draft.places[index(0, 2)].relative_path = str(draft.folder.parent / "outside.distcp")


def linked(draft: Draft) -> None:
    (draft.folder.parent / "outside.distcp").write_bytes(draft.data)
    draft.folder.mkdir()
    (draft.folder / "link.distcp").symlink_to(draft.folder.parent / "outside.distcp")
    draft.places[index(0, 2)].relative_path = "link.distcp"


def compressed(draft: Draft) -> None:
    draft.places[index(0, 2)].transform_descriptors = ["stream.zstd"]


def something_else(draft: Draft) -> None:
    draft.root = {"a": 1}


def no_storage_data(draft: Draft) -> None:
    draft.root = dcp.Metadata({}, {}, None, None, "1.0.0")


def odd_entries(draft: Draft) -> None:
    draft.entries["x"] = 3


def odd_chunks(draft: Draft) -> None:
    draft.chunks.append(7)


def odd_places(draft: Draft) -> None:
    draft.places[dcp.MetadataIndex("x")] = 3


def odd_keys(draft: Draft) -> None:
    draft.places["w"] = draft.places[index(0, 2)]


def odd_dtype(draft: Draft) -> None:
    properties = dcp.TensorProperties(dtype="float32")
    draft.entries["x"] = dcp.TensorStorageMetadata(properties, torch.Size([1]), [])


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (
            lose_chunk,
            TensorError,
            r"missing: .*w: .* nothing at \[0:4, 2:6\] \(16 of 24 elements\)",
        ),
        (repeat_chunk, TensorError, r"overlap: .* \[0:4, 0:2\] and \[0:4, 0:2\]"),
        (move_chunk, TensorError, r"overlap: .* \[0:4, 0:2\] and \[0:4, 1:5\]"),
        (widen_chunk, TensorError, r"sizes \[4, 5\] at \[0, 2\], found \[4, 4\]"),
        (lose_place, TensorError, r"without a place: .*w: expected .* chunk at \[0, 2\]"),
        (lose_value_place, TensorError, "without a place: .*epoch"),
        (other_dtype, TensorError, "chunk of another dtype: .* expected float32, found float64"),
        (no_tensor, TensorError, "found list"),
        (beyond_the_file, ContainerError, "item outside its file"),
        (before_the_file, ContainerError, "item outside its file"),
        (absent_files, ContainerError, "2 missing: __2_0.distcp, __1_0.distcp"),
        (outside, SourceError, "leads out of its folder"),
        (absolute, SourceError, "leads out of its folder"),
        (linked, SourceError, "symbolic link"),
        (compressed, UnsupportedError, "passed through extensions: .*w: .*found stream.zstd"),
        (
            something_else,
            ContainerError,
            "metadata of a distributed checkpoint that torch does not",
        ),
        (no_storage_data, ContainerError, "storage_data: expected a dict"),
        (odd_entries, ContainerError, "x: expected the description"),
        (odd_chunks, ContainerError, "a chunk without"),
        (odd_places, ContainerError, "x: expected the place of an item"),
        (odd_keys, ContainerError, "keys that name a value"),
        (odd_dtype, ContainerError, "the dtype of a tensor"),
    ],
)
def test_what_is_wrong_is_said(
    spoil: Callable[[Draft], None], error: type[FormatError], text: str, draft: Draft
) -> None:
    spoil(draft)
    with pytest.raises(error, match=text):
        open_checkpoint(draft.write())


def test_empty_chunks_count_for_nothing(draft: Draft) -> None:
    draft.chunks.append(dcp.ChunkStorageMetadata(torch.Size([4, 0]), torch.Size([0, 6])))
    checkpoint = open_checkpoint(draft.write())
    assert logical_bytes(checkpoint.tensors()["w"]) == raw_bytes(FULL)
    checkpoint.close()


def test_what_belongs_to_nothing_is_reported(draft: Draft) -> None:
    draft.add_item(dcp.MetadataIndex("gone"), torch.ones(3))
    del draft.places[dcp.MetadataIndex("gone")]
    folder = draft.write()
    (folder / "__9_9.distcp").write_bytes(b"x")
    checkpoint = open_checkpoint(folder)
    (anomaly,) = checkpoint.opened.anomalies
    assert (anomaly.code, anomaly.record) == ("dcp_bytes_unreferenced", "__0_0.distcp")
    notes = {note.code: note.text for note in checkpoint.notes}
    assert notes["dcp_files_unreferenced"].endswith("does not name: __9_9.distcp")
    checkpoint.close()


def test_values_with_tensors_of_their_own(draft: Draft) -> None:
    draft.add_item(dcp.MetadataIndex("epoch"), {"mean": torch.ones(2), "name": "x"})
    checkpoint = open_checkpoint(draft.write())
    assert set(checkpoint.tensors()) == {"w", "epoch.mean"}
    checkpoint.close()


def test_a_tensor_of_several_in_one_chunk(draft: Draft) -> None:
    sparse = torch.eye(3).to_sparse()
    start = torch.Size([0, 0])
    draft.entries["s"] = dcp.TensorStorageMetadata(
        dcp.TensorProperties(),
        torch.Size([3, 3]),
        [dcp.ChunkStorageMetadata(start, torch.Size([3, 3]))],
    )
    draft.add_item(dcp.MetadataIndex("s", start), sparse)
    checkpoint = open_checkpoint(draft.write())
    found = checkpoint.components[0].composites["s"]
    assert isinstance(found, CompositeTensor)
    assert found.kind == "sparse_coo"
    checkpoint.close()


def test_paths_that_are_in_each_others_way(draft: Draft) -> None:
    draft.paths = {"w": ("epoch", "w"), "epoch": ("epoch",)}
    checkpoint = open_checkpoint(draft.write())
    (anomaly,) = checkpoint.opened.anomalies
    assert anomaly.code == "dcp_path_taken"
    assert "epoch" in anomaly.detail
    assert set(checkpoint.tensors()) == {"epoch.w"}
    checkpoint.close()


def test_a_broken_metadata_is_no_exception(draft: Draft) -> None:
    folder = draft.write()
    raw = (folder / ".metadata").read_bytes()
    (folder / ".metadata").write_bytes(raw[:-40])
    checkpoint = open_checkpoint(folder)
    assert checkpoint.opened.error is not None
    checkpoint.close()


def test_a_broken_chunk_says_why(draft: Draft) -> None:
    raw = draft.data
    at = raw.index(b"_rebuild_tensor_v2")
    raw[at - 15 : at] = b"\xff" * 15
    with pytest.raises(FormatError, match=r"__0_0\.distcp@0"):
        open_checkpoint(draft.write())


def test_a_broken_item_is_no_exception(draft: Draft) -> None:
    folder = draft.write()
    raw = bytes(draft.data)
    at = raw.rindex(b"K\x03.")
    (folder / "__0_0.distcp").write_bytes(raw[:at] + b"\xff" + raw[at + 1 :])
    checkpoint = open_checkpoint(folder)
    assert checkpoint.opened.error is not None
    checkpoint.close()

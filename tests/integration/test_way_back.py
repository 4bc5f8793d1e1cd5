"""The way back: converted checkpoints open as what they were, and commands restore them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

import converter
from converter.checkpoint.canonical import Checkpoint
from converter.checkpoint.equality import trees_equal
from converter.checkpoint.tree_sharing import find_tensors
from converter.conversion import ConversionSettings
from converter.errors import DepickleError, LimitError, PlanError, TensorError
from converter.limits import DEFAULT_LIMITS
from converter.readers.opening import open_checkpoint
from converter.writing import WriteOptions
from tests.conftest import REPOSITORY
from tests.support.command import depickle
from tests.support.opened_again import assert_same, elements
from tests.support.pickles import tensor_opcodes, text, torch_zip

if TYPE_CHECKING:
    from pathlib import Path

RUN = REPOSITORY / "corpus" / "bundle" / "training_run.pth.tar"
# Documents of more than this many bytes go to a sidecar: everything, but for the smallest.
SIDECARS = ConversionSettings(limits=DEFAULT_LIMITS._replace(max_embedded_document_bytes=100))


@pytest.mark.parametrize("shape", ["embedded", "sidecar", "folder"])
def test_run_opens_as_what_it_was(shape: str, tmp_path: Path) -> None:
    target = tmp_path / ("run" if shape == "folder" else "run.safetensors")
    converter.convert(
        RUN,
        target,
        options=WriteOptions(folder=shape == "folder"),
        settings=SIDECARS if shape == "sidecar" else None,
    )
    assert len(list(tmp_path.iterdir())) == (2 if shape == "sidecar" else 1)
    with_original, again = converter.open(RUN), converter.open(target)
    assert_same(with_original, again)
    assert [n.code for n in again.notes if n.code == "converted_from"] == ["converted_from"]
    again.close()
    with_original.close()


def test_converting_what_was_converted_changes_no_tensor(tmp_path: Path) -> None:
    converter.convert(RUN, tmp_path / "a.safetensors")
    converter.convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert_same(converter.open(RUN), converter.open(tmp_path / "b.safetensors"))
    assert converter.verify(RUN, tmp_path / "b.safetensors").identical


def sidecar_in(folder: Path) -> Path:
    (found,) = folder.glob("*.depickle.json")
    return found


def test_missing_sidecar_costs_only_itself(tmp_path: Path) -> None:
    target = tmp_path / "run.safetensors"
    converter.convert(RUN, target, settings=SIDECARS)
    sidecar_in(tmp_path).unlink()
    checkpoint = converter.open(target)
    assert [a.code for a in checkpoint.opened.anomalies] == ["document_missing"]
    original = converter.open(RUN).tensors()
    found = checkpoint.tensors()
    assert all(elements(original[name]) == elements(found[name]) for name in original)
    assert "document_missing" in {note.code for note in checkpoint.notes}


def test_sidecar_of_another_conversion_is_seen(tmp_path: Path) -> None:
    target = tmp_path / "run.safetensors"
    converter.convert(RUN, target, settings=SIDECARS)
    sidecar = sidecar_in(tmp_path)
    sidecar.write_bytes(sidecar.read_bytes().replace(b'"epoch"', b'"EPOCH"'))
    checkpoint = converter.open(target)
    assert [a.code for a in checkpoint.opened.anomalies] == ["document_mismatch"]
    assert checkpoint.components[0].tensors


def with_document(path: Path, change: Any) -> None:  # noqa: ANN401 - from JSON to JSON
    """Change the document inside a safetensors file, and its digest with it."""
    raw = path.read_bytes()
    nbytes = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + nbytes])
    document = json.loads(header["__metadata__"]["depickle.document"])
    changed = change(document)
    text = changed if isinstance(changed, str) else json.dumps(document)
    header["__metadata__"]["depickle.document"] = text
    digest = hashlib.sha256(text.encode()).hexdigest()
    header["__metadata__"]["depickle.document.sha256"] = digest
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + raw[8 + nbytes :])


DAMAGE = {
    "no JSON": (lambda _: "{", "document_damaged"),
    "another version": (lambda d: d.update(schema="depickle/checkpoint-v9"), "document_damaged"),
    "a tensor renamed": (lambda d: d["tensors"][0].update(name="other"), "document_mismatch"),
    "a tensor retyped": (lambda d: d["tensors"][0].update(dtype="int32"), "document_mismatch"),
    "a tensor forgotten": (lambda d: d["tensors"].pop(), "document_mismatch"),
    "a reference to nowhere": (lambda d: d.update(root={"type": "ref", "id": 10**6}), None),
    "a storage that is not there": (lambda d: d["tensors"][0].update(storage=10**6), None),
    "half a value": (lambda d: d["root"].update(type="nonsense"), None),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_document_costs_only_itself(name: str, tmp_path: Path) -> None:
    change, code = DAMAGE[name]
    target = tmp_path / "run.safetensors"
    converter.convert(RUN, target)
    with_document(target, change)
    checkpoint = converter.open(target)
    assert [a.code for a in checkpoint.opened.anomalies] == [code or "document_damaged"]
    assert len(checkpoint.tensors()) >= len(converter.open(RUN).tensors())


def test_document_within_limits_only(tmp_path: Path) -> None:
    target = tmp_path / "run.safetensors"
    converter.convert(RUN, target)
    for name in ("max_document_bytes", "max_values", "max_tensors"):
        limits = DEFAULT_LIMITS._replace(**{name: 3})
        if name == "max_tensors":
            with pytest.raises(LimitError):
                open_checkpoint(target, limits=limits)
            continue
        checkpoint = open_checkpoint(target, limits=limits)
        assert [a.code for a in checkpoint.opened.anomalies] == ["document_damaged"]
        assert name in checkpoint.opened.anomalies[0].detail


def test_one_file_of_a_folder_says_so(tmp_path: Path) -> None:
    converter.convert(RUN, tmp_path / "run", options=WriteOptions(folder=True))
    checkpoint = converter.open(tmp_path / "run" / "model.safetensors")
    assert checkpoint.opened.anomalies == []
    assert "document_of_folder" in {note.code for note in checkpoint.notes}


def test_folder_without_its_document_keeps_its_tensors(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    converter.convert(RUN, folder, options=WriteOptions(folder=True))
    sidecar = folder / "checkpoint.depickle.json"
    sidecar.write_text(sidecar.read_text().replace('"epoch"', '"EPOCH"'))
    checkpoint = converter.open(folder)
    assert [a.code for a in checkpoint.opened.anomalies] == ["document_mismatch"]
    assert {part.name for part in checkpoint.components} >= {"model", "optimizer"}
    checkpoint.close()
    sidecar.write_text("{")
    checkpoint = converter.open(folder)
    assert [a.code for a in checkpoint.opened.anomalies] == ["document_damaged"]
    assert elements(next(iter(checkpoint.tensors().values())))


def test_folder_document_cannot_lead_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    converter.convert(RUN, folder, options=WriteOptions(folder=True))
    sidecar = folder / "checkpoint.depickle.json"
    sidecar.write_text(sidecar.read_text().replace('"model.safetensors"', '"../m.safetensors"'))
    (tmp_path / "m.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with pytest.raises(DepickleError, match="leads out of its folder"):
        converter.open(folder)


def test_left_out_components_have_names_and_no_bytes(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    converter.convert(RUN, target, options=WriteOptions(components=("model",)))
    checkpoint = converter.open(target)
    parts = {part.name: part for part in checkpoint.components}
    assert {"model", "optimizer"} <= set(parts)
    missing = next(iter(parts["optimizer"].tensors.values()))
    with pytest.raises(DepickleError, match="left it out"):
        elements(missing)
    assert checkpoint.state_dict("model")
    with pytest.raises(TensorError, match="left out when the checkpoint was converted"):
        checkpoint.state_dict("optimizer")
    with pytest.raises(TensorError, match="left out"):
        checkpoint.to_python()
    with pytest.raises(PlanError, match="left it out"):
        converter.restore(target, tmp_path / "back.pth", allow_unsupported=True)


def test_left_out_components_are_left_out_again(tmp_path: Path) -> None:
    converter.convert(RUN, tmp_path / "a.safetensors", options=WriteOptions(components=("model",)))
    report = converter.convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert report.left_out
    assert {one.reason for one in report.left_out} == {
        "not in the source, whose conversion left it out"
    }
    assert converter.open(tmp_path / "b.safetensors").state_dict("model")


def test_restore_command(tmp_path: Path) -> None:
    depickle("convert", RUN, tmp_path / "run.safetensors", "-q")
    outcome = depickle("restore", tmp_path / "run.safetensors", tmp_path / "again.pth")
    if outcome.code == 2:
        assert "weights_only" in outcome.err
        outcome = depickle(
            "restore", tmp_path / "run.safetensors", tmp_path / "again.pth", "--allow-unsupported"
        )
    assert outcome.code == 0
    assert "verified: identical, bit for bit" in outcome.out
    again = depickle("restore", tmp_path / "run.safetensors", tmp_path / "again.pth")
    assert again.code == 1
    assert "exists" in again.err
    replaced = depickle(
        *("restore", tmp_path / "run.safetensors", tmp_path / "again.pth"),
        *("--replace", "--allow-unsupported", "--format", "json"),
    )
    document = json.loads(replaced.out)
    assert document["schema"] == "depickle/restoration-report-v1"
    assert document["verification"]["identical"]
    assert converter.open(tmp_path / "again.pth").opened.anomalies == []


def test_restore_refuses_what_it_cannot_say(tmp_path: Path) -> None:
    path = tmp_path / "dated.pt"
    date = b"cdatetime\ndate\nc_codecs\nencode\n" + text("\x07\xea\x01\x02") + text("latin1")
    pickle = b"\x80\x02}(" + text("day") + date + b"\x86R\x85R" + text("w")
    pickle += tensor_opcodes("0", 1) + b"u."
    path.write_bytes(torch_zip(pickle, {"0": b"\0\0\x80?"}))
    outcome = depickle("restore", path, tmp_path / "out.pth")
    assert outcome.code == 2
    assert "day: a datetime.date" in outcome.err
    assert not (tmp_path / "out.pth").exists()
    outcome = depickle("restore", path, tmp_path / "out.pth", "--allow-unsupported")
    assert outcome.code == 0
    assert "written as plain data (1)" in outcome.out
    live = converter.open(tmp_path / "out.pth").to_python()
    assert live["day"] == {"__depickle__": "datetime.date", "fields": [b"\x07\xea\x01\x02"]}


def test_restore_never_writes_safetensors(tmp_path: Path) -> None:
    assert depickle("restore", RUN, tmp_path / "out.safetensors").code == 2
    assert depickle("restore", tmp_path / "none", tmp_path / "out.pth").code == 3


def test_file_that_reads_differently_never_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from converter.byteio.sink import AtomicFile

    honest = AtomicFile.write_at

    def garble(self: AtomicFile, offset: int, buffer: bytes) -> None:
        honest(self, offset, bytes(buffer).replace(b"FloatStorage", b"IntegStorage"))

    monkeypatch.setattr(AtomicFile, "write_at", garble)
    outcome = depickle("restore", RUN, tmp_path / "out.pth", "--allow-unsupported")
    assert outcome.code in (11, 20)
    assert list(tmp_path.iterdir()) == []


def pickled(path: Path, content: bytes) -> Path:
    path.write_bytes(torch_zip(b"\x80\x02" + content + b".", {"0": b"\0\0\x80?"}))
    return path


def there_and_back(path: Path, tmp_path: Path) -> Checkpoint:
    converter.convert(path, tmp_path / "there.safetensors")
    converter.restore(tmp_path / "there.safetensors", tmp_path / "back.pt")
    again = converter.open(tmp_path / "back.pt")
    original = converter.open(path)
    assert trees_equal(original.opened.root, again.opened.root) is None
    return again


def test_tree_of_more_leaves_than_atoms_comes_back(tmp_path: Path) -> None:
    """Two hundred lists, each of the next one twice: 2^200 leaves, more than 10^60."""
    content = b"]q\x00" + b"".join(
        b"]q" + bytes((n,)) + b"(h" + bytes((n - 1,)) + b"h" + bytes((n - 1,)) + b"e"
        for n in range(1, 201)
    )
    # What was pushed before stays below: one tuple of all of them is the root.
    path = pickled(tmp_path / "wide.pt", b"(" + content + tensor_opcodes("0", 1) + b"t")
    again = there_and_back(path, tmp_path)
    assert (tmp_path / "there.safetensors").stat().st_size < 100_000
    assert (tmp_path / "back.pt").stat().st_size < 100_000
    live = again.to_python()
    assert live[199][0] is live[199][1]
    assert len(find_tensors([again.opened.root])) == 1


def test_cyclic_tree_comes_back(tmp_path: Path) -> None:
    content = b"}q\x00(" + text("self") + b"h\x00" + text("list") + b"]q\x01(h\x00h\x01e"
    path = pickled(tmp_path / "cyclic.pt", content + text("w") + tensor_opcodes("0", 1) + b"u")
    again = there_and_back(path, tmp_path)
    live = again.to_python()
    assert live["self"] is live
    assert live["list"][1] is live["list"]
    assert live["list"][0] is live


def test_deep_tree_comes_back(tmp_path: Path) -> None:
    depth = 20_000
    content = b"]" * depth + b"a" * (depth - 1)
    tensor = text("w") + tensor_opcodes("0", 1)
    path = pickled(tmp_path / "deep.pt", b"}(" + text("deep") + content + tensor + b"u")
    again = there_and_back(path, tmp_path)
    live = again.to_python()["deep"]
    for _ in range(depth - 1):
        (live,) = live
    assert live == []


def test_tuple_in_its_own_list_comes_back(tmp_path: Path) -> None:
    """Its list is met first, so that Python's own pickle can say it; the other way it cannot."""
    path = pickled(tmp_path / "inside.pt", b"]q\x00(h\x00\x85" + tensor_opcodes("0", 1) + b"e")
    converter.restore(path, tmp_path / "out.pt")
    live = converter.open(tmp_path / "out.pt").to_python()
    assert live[0][0] is live


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_large_vocabulary_goes_to_a_sidecar(tmp_path: Path) -> None:
    """A tokenizer of a million words beside the weights: a document of tens of megabytes."""
    count = 1_000_000
    words = b"".join(text(f"word {n}") + b"J" + n.to_bytes(4, "little") for n in range(count))
    path = pickled(
        tmp_path / "vocabulary.pt",
        b"}("
        + text("vocabulary")
        + b"}("
        + words
        + b"u"
        + text("w")
        + tensor_opcodes("0", 1)
        + b"u",
    )
    converter.convert(path, tmp_path / "v.safetensors")
    sidecar = sidecar_in(tmp_path)
    assert sidecar.stat().st_size > 20_000_000
    live = converter.open(tmp_path / "v.safetensors").to_python()
    assert live["vocabulary"]["word 999999"] == 999_999
    assert len(live["vocabulary"]) == count

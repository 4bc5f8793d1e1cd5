"""What comes back is what torch itself would have loaded, and training goes on as if never stopped.

Three ways back are held against ``torch.load(weights_only=True)`` of the original: live objects
(`Checkpoint.to_python`) of the original and of the converted file, and the restored file, loaded
by torch, whole and mapped.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

import converter  # noqa: E402 - after the skip
from converter.errors import DepickleError, PlanError  # noqa: E402
from tests.support.live_equality import difference  # noqa: E402
from tests.support.training_runs import RUNS, Run  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.torch

BEFORE, AFTER = 5, 6


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the order of sums, and that on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    state = torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


def load(path: Path, *, mmap: bool = False) -> Any:  # noqa: ANN401 - whatever was saved
    return torch.load(path, weights_only=True, mmap=mmap, map_location="cpu")


def by_live_objects(path: Path, folder: Path) -> Any:  # noqa: ANN401
    converted = folder / "run.safetensors"
    converter.convert(path, converted)
    return converter.open(converted).to_python()


def by_folder(path: Path, folder: Path) -> Any:  # noqa: ANN401
    from converter.writing.options import WriteOptions

    converted = folder / "run"
    converter.convert(path, converted, options=WriteOptions(folder=True))
    return converter.open(converted).to_python()


def by_restored_file(path: Path, folder: Path) -> Any:  # noqa: ANN401
    converted, restored = folder / "run.safetensors", folder / "again.pth"
    converter.convert(path, converted)
    converter.restore(converted, restored)
    return load(restored)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", [by_live_objects, by_folder, by_restored_file])
@pytest.mark.parametrize("name", RUNS)
def test_training_goes_on_as_if_never_stopped(
    name: str, way: Callable[[Path, Path], Any], tmp_path: Path
) -> None:
    never_stopped: Run = RUNS[name]().train(BEFORE)
    path = tmp_path / "run.pth.tar"
    torch.save(never_stopped.bundle(), path)
    saved = way(path, tmp_path)
    never_stopped.train(AFTER)
    expected = torch.get_rng_state()
    resumed = RUNS[name]().resume(saved).train(AFTER)
    assert resumed.losses == never_stopped.losses
    assert resumed.weights() == never_stopped.weights()
    assert torch.equal(torch.get_rng_state(), expected)
    left, right = resumed.bundle(), never_stopped.bundle()
    assert difference(left, right, memory=False) is None


def odd_state() -> dict[Any, Any]:
    """Return everything that weights-only loading takes."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    shared = [1, "two", 3.0]
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    tensor = torch.ones(2)
    tensor.note = "set on it"
    order = OrderedDict(a=base, b=base.t(), c=base[1:, ::2])
    vars(order)["_metadata"] = OrderedDict({"": {"version": 1}})
    return {
        "views": order,
        "again": base,
        "parameter": torch.nn.Parameter(base[0].clone()),
        "frozen": torch.nn.Parameter(torch.ones(3, dtype=torch.int64), requires_grad=False),
        "leaf": torch.zeros(2, requires_grad=True),
        "buffer": torch.nn.Buffer(torch.zeros(3)),
        "noted": tensor,
        "conj": torch.tensor([1 + 2j, -0.0 + 0j]).conj(),
        "neg": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(float("nan")),
        "expanded": torch.ones(1).expand(3, 4),
        "kinds": [
            torch.tensor([1, 2, 3], dtype=dtype)
            for dtype in (torch.uint8, torch.uint16, torch.uint64, torch.bfloat16, torch.bool)
        ],
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        "complex32": torch.ones(3, dtype=torch.complex32),
        "sparse": torch.eye(3).to_sparse(),
        "csr": torch.eye(3).to_sparse_csr(),
        "meta": torch.empty(2, 3, device="meta"),
        1: "int key",
        "1": "text key",
        2.5: None,
        (1, ("a", None)): True,
        "numbers": [
            0,
            255,
            256,
            65535,
            65536,
            -1,
            2**31,
            -(2**31),
            2**63,
            -(2**2000),
            1e-320,
            -0.0,
        ],
        "texts": ["", "\udc80", "é" * 300, "\0"],
        "bytes": [b"x", bytes(range(256)), bytearray(b"\xff\0")],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), torch.Size([2, 3])),
        "shared": [shared, shared],
        "cyclic": cyclic,
        "set": {1, "a", (2, 3)},
        "complex": 1 - 2j,
        "torch": [torch.float32, torch.half, torch.device("cuda", 1), torch.sparse_csr],
        "schemes": torch.per_tensor_affine,
        "many": list(range(2_500)),
        "wide": {f"k{n}": n for n in range(2_500)},
    }


def without(tree: dict[Any, Any], *names: str) -> dict[Any, Any]:
    return {key: value for key, value in tree.items() if key not in names}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mmap", [False, True])
def test_everything_weights_only_takes_comes_back(*, mmap: bool, tmp_path: Path) -> None:
    path = tmp_path / "odd.pt"
    torch.save(odd_state(), path)
    expected = load(path)
    live = converter.open(path).to_python()
    found = difference(expected, live)
    assert found is None
    converter.restore(path, tmp_path / "again.pt")
    assert difference(expected, load(tmp_path / "again.pt", mmap=mmap)) is None
    converter.convert(path, tmp_path / "odd.safetensors")
    converter.restore(tmp_path / "odd.safetensors", tmp_path / "back.pt")
    for found in (
        converter.open(tmp_path / "odd.safetensors").to_python(),
        load(tmp_path / "back.pt", mmap=mmap),
    ):
        assert difference(expected, found, memory=False) is None
        # What these two looked at was not saved: they come back resolved.
        assert difference(*(without(tree, "conj", "neg") for tree in (expected, found))) is None


@pytest.mark.filterwarnings("ignore")
def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    run = RUNS["adamw"]()
    torch.save(run.bundle(), tmp_path / "run.pt")
    converter.convert(tmp_path / "run.pt", tmp_path / "run.safetensors")
    converter.restore(tmp_path / "run.safetensors", tmp_path / "again.pt")
    for saved in (
        converter.open(tmp_path / "run.safetensors").to_python(),
        load(tmp_path / "again.pt"),
    ):
        state = saved["model_state_dict"]
        assert state["embed.weight"].data_ptr() == state["head.weight"].data_ptr()
        assert vars(state)["_metadata"][""] == {"version": 1}


def test_samples_load_alike(samples: Path, tmp_path: Path) -> None:
    loaded = 0
    for number, path in enumerate(sorted(samples.rglob("*.p*t*"))):
        # torch leaves uint16 of big-endian files as they lie (2.13), and whether it takes DTensors
        # hangs on what was imported before.
        if path.suffix == ".json" or path.name == "zip_byteorder_big.pt" or "rank" in path.name:
            continue
        try:
            expected = load(path)
            checkpoint = converter.open(path)
        except Exception:  # noqa: BLE001, S112 - what either refuses is no subject here
            continue
        loaded += 1
        found = difference(expected, checkpoint.to_python())
        assert found is None, path
        converter.restore(path, tmp_path / f"{number}.pth")
        found = difference(expected, load(tmp_path / f"{number}.pth"))
        assert found is None, path
    assert loaded >= 20


def test_whole_modules_come_back_as_plain_data(samples: Path, tmp_path: Path) -> None:
    source = samples / "zip" / "pyobjects.pt"
    with pytest.raises(PlanError, match="weights_only"):
        converter.restore(source, tmp_path / "a.pth")
    assert not (tmp_path / "a.pth").exists()
    report = converter.restore(source, tmp_path / "a.pth", allow_unsupported=True)
    assert report.unsupported_count > 3
    assert report.verification.identical
    assert isinstance(load(tmp_path / "a.pth"), dict)


@pytest.mark.filterwarnings("ignore")
def test_file_is_laid_out_as_torch_lays_it_out(tmp_path: Path) -> None:
    """Records, their order and their places; only torch's hash of itself is left out."""
    state = {"a": torch.arange(100), "b": torch.empty(0), "c": torch.ones(7)}
    torch.save(state, tmp_path / "archive.pt")
    converter.restore(tmp_path / "archive.pt", tmp_path / "again.pt")
    with (
        zipfile.ZipFile(tmp_path / "archive.pt") as theirs,
        zipfile.ZipFile(tmp_path / "again.pt") as ours,
    ):
        wanted = [one for one in theirs.infolist() if "serialization_id" not in one.filename]
        found = ours.infolist()
        assert ours.testzip() is None
        assert [(o.filename, o.CRC, o.flag_bits, o.extra) for o in found][1:] == [
            (o.filename, o.CRC, o.flag_bits, o.extra) for o in wanted
        ][1:]
        starts = []
        for one in found:
            raw = (tmp_path / "again.pt").read_bytes()[one.header_offset :]
            length = int.from_bytes(raw[26:28], "little") + int.from_bytes(raw[28:30], "little")
            starts.append((one.header_offset + 30 + length) % 64)
        assert set(starts) == {0}
        opcodes = {op.name for op, _, _ in pickletools.genops(ours.read("archive/data.pkl"))}
        allowed = {op.name for op, _, _ in pickletools.genops(theirs.read("archive/data.pkl"))}
        assert opcodes <= allowed | {"BINGET", "LONG_BINPUT"}


@pytest.mark.filterwarnings("ignore")
def test_refused_samples_are_refused_with_a_sentence(samples: Path, tmp_path: Path) -> None:
    """What torch refuses is refused by name, or was lost only to torch (long Python 2 strings)."""
    for path in sorted((samples / "zip").glob("*.pt")):
        refusal = None
        try:
            converter.restore(path, tmp_path / path.name)
        except DepickleError as error:
            refusal = error
        if refusal is None:
            load(tmp_path / path.name)
        elif isinstance(refusal, PlanError):
            assert "weights_only" in str(refusal), path

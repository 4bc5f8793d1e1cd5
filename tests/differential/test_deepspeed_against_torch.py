"""Folders of DeepSpeed's ZeRO, against the weights they were made from and torch's arithmetic."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

import converter  # noqa: E402 - after the skip
from converter.checkpoint.values import MappingValue  # noqa: E402 - after the skip
from converter.errors import ContainerError, FormatError, TensorError, UnsupportedError  # noqa: E402
from converter.readers.opening import open_checkpoint  # noqa: E402
from tests.support.deepspeed_folders import Model, save_zero  # noqa: E402
from tests.support.distributed_folders import raw_bytes  # noqa: E402
from tests.support.logical_bytes import logical_bytes  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.torch


def sample_model() -> Model:
    """Return a model with two groups, buffers, a frozen weight and a tied one."""
    generator = torch.Generator().manual_seed(3)

    def weight(*shape: int) -> Any:  # noqa: ANN401 - a tensor
        return torch.randn(shape, generator=generator)

    return Model(
        groups=[
            {"embed.weight": weight(11, 4), "body.weight": weight(5, 7), "scale": weight()},
            {"body.bias": weight(13), "norm.bias": weight(1)},
        ],
        buffers={
            "norm.mean": weight(6),
            "norm.half": weight(3).half(),
            "norm.count": torch.tensor(7),
        },
        frozen={"frozen.weight": weight(3, 5).bfloat16()},
        shared={"head.weight": "embed.weight"},
    )


@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_weights_are_those_that_were_trained(stage: int, world: int, tmp_path: Path) -> None:
    model = sample_model()
    save_zero(tmp_path / "run", model, stage, world, prefix="bf16_" if world == 2 else "")
    expected = model.whole()
    check_generator(tmp_path / "run", stage, expected)
    assert_weights(tmp_path / "run", expected)
    report = converter.convert(tmp_path / "run", tmp_path / "out.safetensors")
    assert report.verification is not None
    assert report.verification.identical
    assert report.aliases == {"model.head.weight": "model.embed.weight"}


def check_generator(folder: Path, stage: int, expected: dict[str, Any]) -> None:
    """Hold the generator itself against the arithmetic that DeepSpeed's own script does."""
    files = sorted(
        (folder / "global_step10").glob("*optim_states.pt"),
        key=lambda path: int(path.name.split("rank_")[1].split("_")[0]),
    )
    key = "fp32_flat_groups" if stage == 3 else "single_partition_of_fp32_groups"
    ranks = [load_with_enum(file)["optimizer_state_dict"][key] for file in files]
    path = next((folder / "global_step10").glob("*mp_rank_00_model_states.pt"))
    param_shapes = torch.load(path, weights_only=True)["param_shapes"]
    found = whole_of_three(ranks, param_shapes) if stage == 3 else whole_of_two(ranks, param_shapes)
    for name, weight in found.items():
        assert torch.equal(weight, expected[name])


def whole_of_two(ranks: list[Any], param_shapes: list[Any]) -> dict[str, Any]:
    """Consolidate stages 1 and 2 in memory."""
    found = {}
    for number, shapes in enumerate(param_shapes):
        vector = torch.cat([rank[number] for rank in ranks])
        offset = 0
        for name, shape in shapes.items():
            found[name] = vector.narrow(0, offset, shape.numel()).view(shape)
            offset += shape.numel()
        align = 2 * len(ranks)
        assert -(-offset // align) * align == -(-vector.numel() // align) * align
    return found


def whole_of_three(ranks: list[Any], param_shapes: list[Any]) -> dict[str, Any]:
    """Consolidate stage 3 in memory."""
    vectors = [torch.cat(rank) for rank in ranks]
    found = {}
    offset = 0
    for shapes in param_shapes:
        for name, shape in shapes.items():
            each = -(-shape.numel() // len(ranks))
            pieces = [vector.narrow(0, offset, each) for vector in vectors]
            found[name] = torch.cat(pieces).narrow(0, 0, shape.numel()).view(shape)
            offset += each
    assert all(offset == vector.numel() for vector in vectors)
    return found


def load_with_enum(path: Path) -> Any:  # noqa: ANN401 - what torch loads
    from tests.support.deepspeed_folders import stage_enum

    with stage_enum() as kind, torch.serialization.safe_globals([kind]):
        return torch.load(path, weights_only=True)


def assert_weights(folder: Path, expected: dict[str, Any]) -> None:
    checkpoint = open_checkpoint(folder)
    assert checkpoint.opened.error is None
    assert checkpoint.opened.container == "deepspeed"
    assert checkpoint.opened.writer == "DeepSpeed 0.19.1"
    (model,) = (part for part in checkpoint.components if part.name == "model")
    assert str(model.kind) == "model"
    assert model.tensors.keys() == expected.keys()
    for name, tensor in model.tensors.items():
        assert (repr(tensor.dtype), tensor.shape) == (
            str(expected[name].dtype),
            tuple(expected[name].shape),
        )
        assert logical_bytes(tensor) == raw_bytes(expected[name]), name
    checkpoint.close()


def test_the_rest_is_kept_or_said(tmp_path: Path) -> None:
    save_zero(tmp_path, sample_model(), 2, 2)
    report = converter.inspect(tmp_path)
    values = {line.path: line.text for line in report.values}
    assert values["global_steps"] == "10"
    assert values["epoch"] == "2"
    assert values["ds_config.train_batch_size"] == "8"
    assert values["lr_scheduler.last_batch_iteration"] == "9"
    kinds = {line.name: line.kind for line in report.components}
    assert kinds["lr_scheduler"] == "scheduler"
    notes = {note.code: note.text for note in report.notes}
    assert notes["deepspeed_optimizer_left_out"].endswith(
        "2 tensors (24 bytes) of optimizer state of 2 ranks"
    )
    assert "6 weights that was trained with (float16, " in notes["deepspeed_copy_left_out"]
    assert notes["deepspeed_buffers"].startswith("2 buffers keep their dtypes")


def test_paddings_behind_weights(tmp_path: Path) -> None:
    model = sample_model()
    save_zero(tmp_path, model, 1, 2, paddings=[[3, 0, 5], [2, 1]])
    assert_weights(tmp_path, model.whole())


def test_the_folder_of_the_files_itself(tmp_path: Path) -> None:
    model = sample_model()
    assert_weights(save_zero(tmp_path, model, 3, 2), model.whole())


def test_files_of_transformers_beside_it(tmp_path: Path) -> None:
    save_zero(tmp_path, sample_model(), 2, 2)
    (tmp_path / "trainer_state.json").write_text('{"epoch": 1.5, "log_history": [{"loss": NaN}]}')
    torch.save({"python": (3, (1, 2), None)}, tmp_path / "rng_state_1.pth")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.opened.container == "deepspeed"
    root = checkpoint.opened.root
    assert isinstance(root, MappingValue)
    assert {"model", "global_steps", "rng_state_1", "trainer_state"} <= set(root.text_keys())
    checkpoint.close()


def test_a_run_without_zero(tmp_path: Path) -> None:
    files = save_zero(tmp_path, sample_model(), 2, 1)
    (files / "zero_pp_rank_0_mp_rank_00_optim_states.pt").unlink()
    checkpoint = open_checkpoint(tmp_path)
    tensors = {part.name: part.tensors for part in checkpoint.components}["model"]
    assert tensors["embed.weight"].dtype.name == "float16"
    checkpoint.close()


def spoil_missing_rank(files: Path) -> None:
    next(files.glob("*rank_1_*optim_states.pt")).unlink()


def spoil_model_parallel(files: Path) -> None:
    shutil.copy(files / "mp_rank_00_model_states.pt", files / "mp_rank_01_model_states.pt")


def spoil_experts(files: Path) -> None:
    shutil.copy(
        files / "mp_rank_00_model_states.pt",
        files / "layer_0_expert_1_mp_rank_00_model_states.pt",
    )


def spoil_model_states(files: Path) -> None:
    (files / "mp_rank_00_model_states.pt").unlink()


def spoil_shapes(files: Path) -> None:
    change(files, lambda states: states["param_shapes"][0].update(more=torch.Size([9])))


def spoil_groups(files: Path) -> None:
    change(files, lambda states: states["param_shapes"].pop())


def spoil_frozen(files: Path) -> None:
    change(files, lambda states: states["frozen_param_fragments"].clear())


def spoil_shape_types(files: Path) -> None:
    change(files, lambda states: states.update(param_shapes="none"))


def change(files: Path, edit: Callable[[Any], object]) -> None:
    path = files / "mp_rank_00_model_states.pt"
    states = torch.load(path, weights_only=True)
    edit(states)
    torch.save(states, path)


def spoil_tag(files: Path) -> None:
    (files.parent / "latest").write_text("../elsewhere")


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (spoil_missing_rank, ContainerError, "expected 2 files.*found 1, without rank 1"),
        (spoil_model_parallel, UnsupportedError, "more ways than ZeRO.*mp_rank_01"),
        (spoil_experts, UnsupportedError, "more ways than ZeRO.*expert_1"),
        (spoil_model_states, ContainerError, "without model states"),
        (spoil_shapes, TensorError, "missing"),
        (spoil_groups, TensorError, "groups of weights that do not fit"),
        (spoil_frozen, TensorError, "not trained is missing"),
        (spoil_shape_types, ContainerError, "without shapes"),
        (spoil_tag, ContainerError, "a folder '../elsewhere'"),
    ],
)
def test_what_is_wrong_is_said(
    spoil: Callable[[Path], None], error: type[FormatError], text: str, tmp_path: Path
) -> None:
    spoil(save_zero(tmp_path, sample_model(), 2, 2))
    with pytest.raises(error, match=text):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("stage", "key", "value", "text"),
    [
        (2, "zero_stage", 7, "1, 2 or 3, found 7"),
        (2, "zero_stage", "two", "1, 2 or 3, found None"),
        (2, "single_partition_of_fp32_groups", [], "without weights"),
        (2, "single_partition_of_fp32_groups", [1], "without weights"),
        (3, "fp32_flat_groups", "matrix", "not flat"),
        (3, "fp32_flat_groups", "long", "do not fit their shapes"),
    ],
)
def test_states_that_are_wrong(
    stage: int, key: str, value: object, text: str, tmp_path: Path
) -> None:
    files = save_zero(tmp_path, sample_model(), stage, 1)
    path = files / "zero_pp_rank_0_mp_rank_00_optim_states.pt"
    content = load_with_enum(path)
    made = {"matrix": torch.zeros(2, 2), "long": torch.zeros(1000)}
    found: object = [made[value]] if isinstance(value, str) and value in made else value
    content["optimizer_state_dict"].update({"zero_stage": stage, key: found})
    torch.save(content, path)
    with pytest.raises(FormatError, match=text):
        open_checkpoint(tmp_path)

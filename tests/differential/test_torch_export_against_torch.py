"""Programs that torch.export saves: names and bytes against the live program's state_dict."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from torch.export.pt2_archive._package import package_pt2  # noqa: E402 - after the skip

from converter.readers.torch_export import read_torch_export  # noqa: E402 - after the skip
from tests.support.archives import (  # noqa: E402 - after the skip
    described,
    found,
    live_described,
    opened_with,
    records_of,
    tensors_of,
    zipped,
)
from tests.support.scripted_modules import ManyTypes, Mixed  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # torch.export warns about its own internals
]

nn = torch.nn


def exported(module: Any, *inputs: Any) -> Any:  # noqa: ANN401 - modules, tensors, a program
    return torch.export.export(module, inputs)


def saved(program: Any, **options: Any) -> bytes:  # noqa: ANN401 - an ExportedProgram
    """Return what torch.export.save writes."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer, **options)
    return buffer.getvalue()


PROGRAMS: dict[str, Callable[[], Any]] = {
    "linear": lambda: exported(nn.Linear(3, 2), torch.ones(1, 3)),
    "mixed": lambda: exported(Mixed(), torch.ones(1, 3)),
    "norm": lambda: exported(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval(), torch.ones(1, 1, 5, 5)
    ),
    "lstm": lambda: exported(nn.LSTM(3, 2), torch.ones(4, 1, 3)),
    "bfloat16": lambda: exported(nn.Linear(3, 2).bfloat16(), torch.ones(1, 3).bfloat16()),
    "half": lambda: exported(nn.Linear(3, 2).half(), torch.ones(1, 3).half()),
    "complex": lambda: exported(
        nn.Linear(3, 2, dtype=torch.complex64), torch.ones(1, 3, dtype=torch.complex64)
    ),
    "integer": lambda: exported(ManyTypes(), torch.ones(2)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_state_dict_is_the_one_of_the_program(name: str) -> None:
    program = PROGRAMS[name]()
    opened = opened_with(read_torch_export, saved(program)).opened
    assert opened.anomalies == []
    ours = described(tensors_of(found(opened.root, "model")))
    assert ours == live_described(program.state_dict)
    signature = program.graph_signature
    order = [*signature.parameters, *signature.buffers]
    assert list(ours) == [name for name in order if name in program.state_dict]


def test_constants_and_inputs_stand_beside_the_model() -> None:
    program = PROGRAMS["mixed"]()
    checkpoint = opened_with(read_torch_export, saved(program))
    kinds = [(part.name, str(part.kind)) for part in checkpoint.components]
    assert kinds[0] == ("model", "model")
    assert [name for name, _ in kinds[1:3]] == ["constants", "sample_inputs"]
    constants = described(tensors_of(found(checkpoint.opened.root, "constants")))
    assert constants == live_described(program.constants)
    assert len(constants) == 2


def test_tied_weights_share_a_storage() -> None:
    root = opened_with(read_torch_export, saved(PROGRAMS["mixed"]())).opened.root
    state = tensors_of(found(root, "model"))
    assert state["layer.weight"].storage is state["tied.weight"].storage
    assert state["layer.weight"].view_key() == state["tied.weight"].view_key()
    assert state["layer.weight"].requires_grad
    assert state["layer.weight"].class_name == "torch.nn.parameter.Parameter"


def test_program_without_inputs_is_a_lone_state_dict() -> None:
    program = PROGRAMS["linear"]()
    records = records_of(saved(program))
    del records["data/sample_inputs/model.pt"]
    checkpoint = opened_with(read_torch_export, zipped(records))
    assert checkpoint.bare
    assert described(checkpoint.tensors()) == live_described(program.state_dict)


def test_several_programs_keep_their_names() -> None:
    programs = {"encoder": PROGRAMS["linear"](), "decoder": PROGRAMS["mixed"]()}
    buffer = io.BytesIO()
    package_pt2(buffer, exported_programs=programs)
    root = opened_with(read_torch_export, buffer.getvalue()).opened.root
    for name, program in programs.items():
        ours = described(tensors_of(found(root, name)))
        assert ours == live_described(program.state_dict)
    constants = described(tensors_of(found(root, "decoder_constants")))
    assert constants == live_described(programs["decoder"].constants)


def test_extra_files_are_values() -> None:
    data = saved(PROGRAMS["linear"](), extra_files={"note.txt": "hello"})
    root = opened_with(read_torch_export, data).opened.root
    assert found(root, "extra_files", "note.txt") == "hello"


def test_pickled_weights_are_read_from_their_own_file() -> None:
    program = PROGRAMS["linear"]()
    records = records_of(saved(program))
    weight = program.state_dict["weight"]
    buffer = io.BytesIO()
    torch.save(weight, buffer)
    config = "data/weights/model_weights_config.json"
    raw, pickled = b'"use_pickle": false', b'"use_pickle": true'
    number = next(n for n in ("weight_0", "weight_1") if len(records[f"data/weights/{n}"]) == 24)
    records[f"data/weights/{number}"] = buffer.getvalue()
    at = records[config].index(number.encode())
    records[config] = records[config][:at] + records[config][at:].replace(raw, pickled, 1)
    opened = opened_with(read_torch_export, zipped(records)).opened
    ours = described(tensors_of(found(opened.root, "model")))
    assert ours == live_described(program.state_dict)


def test_layout_before_2_8_is_read() -> None:
    program = PROGRAMS["mixed"]()

    def blob(value: Any) -> bytes:  # noqa: ANN401 - anything
        buffer = io.BytesIO()
        torch.save(value, buffer)
        return buffer.getvalue()

    records = {
        "serialized_exported_program.json": b"{}",
        "serialized_state_dict.pt": blob(program.state_dict),
        "serialized_constants.pt": blob(program.constants),
        "serialized_example_inputs.pt": blob(((torch.ones(1, 3),), {})),
        "version": b"7.3",
        "extra_files/note.txt": b"hello",
    }
    opened = opened_with(read_torch_export, zipped(records, root="")).opened
    assert opened.anomalies == []
    ours = described(tensors_of(found(opened.root, "model")))
    expected = live_described(program.state_dict)
    assert list(ours) == list(expected)
    assert ours == expected
    constants = described(tensors_of(found(opened.root, "constants")))
    assert constants == live_described(program.constants)
    assert found(opened.root, "extra_files", "note.txt") == "hello"

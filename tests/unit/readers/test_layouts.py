"""Frameworks are recognised by the keys they write, and wrappers by the parts they leave."""

from __future__ import annotations

import pytest

from converter.byteio.source import MemorySource
from converter.checkpoint.canonical import Component, ComponentKind
from converter.checkpoint.storage import Storage
from converter.checkpoint.tensor import TensorRef
from converter.checkpoint.values import MappingValue, Value
from converter.dtypes import BY_NAME
from converter.readers.layouts import leading_prefix, prefix_notes, recognised_layout


def mapping(**entries: Value) -> MappingValue:
    return MappingValue("dict", [(key.replace("__", "-"), value) for key, value in entries.items()])


@pytest.mark.parametrize(
    ("root", "layout"),
    [
        (mapping(state_dict=1, pytorch__lightning_version="2.6.6", epoch=1), "Lightning"),
        (mapping(state_dict=1, message_hub=1, meta=1), "mmengine"),
        (mapping(state_dict=1, meta=mapping(mmcv_version="1.7.0")), "mmcv 1.7.0"),
        (mapping(model=1, train_args=1, ema=None, version="8.4.1"), "ultralytics 8.4.1"),
        (mapping(model=1, optimizer_history=1, extra_state=1, args=None), "fairseq"),
        (mapping(state_dict=1, arch="resnet50", version=2, epoch=3), "timm"),
        (mapping(model=1, iteration=10, optimizer=1), "detectron2 or fvcore"),
        (mapping(model=1, __author__=1, matching_heuristics=True), "detectron2"),
        (mapping(model=1, checkpoint_version=3.0, iteration=7), "Megatron-LM 3.0"),
        (mapping(module=1, ds_version="0.19.0", ds_config=1), "DeepSpeed 0.19.0"),
        (mapping(model=1, optimizer=1, rng_state=1, trainer_state=1), "HF Trainer"),
        (mapping(model=1, training_args=1), "HF Trainer"),
        (mapping(model=1, optimizer=1, random_states_0=1), "accelerate"),
        (mapping(model_state_dict=1, optimizer_state_dict=1), "plain torch"),
        (mapping(model=1, optimizer=1), None),
        (5, None),
    ],
)
def test_layout_of_keys(root: Value, layout: str | None) -> None:
    expected = "Lightning 2.6.6" if layout == "Lightning" else layout
    assert recognised_layout(root) == expected


@pytest.mark.parametrize(
    ("names", "leading"),
    [
        (["module.a.weight", "module.b"], ["module"]),
        (["_orig_mod.module.a", "_orig_mod.module.b"], ["_orig_mod", "module"]),
        (["n_averaged", "module.weight"], ["module"]),
        (["module.a", "head.b"], []),
        (["model.a", "model.b"], []),
        (["module"], []),
        ([], []),
    ],
)
def test_leading_parts_of_wrappers(names: list[str], leading: list[str]) -> None:
    assert leading_prefix(names) == leading


def test_notes_name_the_option_that_helps() -> None:
    storage = Storage("0", MemorySource(b"\0" * 4, "test"), 4, BY_NAME["float32"], "cpu")
    tensor = TensorRef(storage, BY_NAME["float32"], (1,), (1,), 0)
    names = ["module.a._orig_mod.weight", "module.a.bias"]
    model = Component("m", ComponentKind.MODEL, (), None, dict.fromkeys(names, tensor))
    other = Component("o", ComponentKind.OPTIMIZER, (), None, {"module.x": tensor})
    leading, inner = prefix_notes([model, other])
    assert "--strip-prefix module. takes it off" in leading.text
    assert "1 name holds '_orig_mod' (torch.compile); --strip-part _orig_mod" in inner.text


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["model.module.conv.weight", "model.module.bias"], "2 names hold 'module'"),
        (["a._fsdp_wrapped_module.module.w", "head.w"], "1 name holds 'module'"),
        (["a.module._orig_mod.w", "head.module"], "1 name holds 'module'"),
        (["backbone.module.w", "head.w"], None),
        (["module.a.module.w", "module.b.w"], None),
        (["a.module", "b.module"], None),
    ],
)
def test_module_in_the_middle_is_a_wrapper_where_it_must_be(
    names: list[str], count: str | None
) -> None:
    storage = Storage("0", MemorySource(b"\0" * 4, "test"), 4, BY_NAME["float32"], "cpu")
    tensor = TensorRef(storage, BY_NAME["float32"], (1,), (1,), 0)
    model = Component("m", ComponentKind.MODEL, (), None, dict.fromkeys(names, tensor))
    texts = [note.text for note in prefix_notes([model]) if "--strip-part module" in note.text]
    assert len(texts) == (0 if count is None else 1)
    assert all(f"m: {count}" in text for text in texts)

"""Small documents, as examples inside the schemas."""

from __future__ import annotations

from typing import Final

from converter.checkpoint.canonical import ComponentKind
from converter.checkpoint.document_types import (
    SCHEMA_ID,
    CheckpointDocument,
    ComponentRecord,
    ProducerRecord,
    SourceRecord,
    StorageRecord,
    TensorRecord,
)
from converter.checkpoint.tree_types import (
    DictForm,
    FloatForm,
    GlobalForm,
    OrderedDictForm,
    PlainForm,
    RefForm,
    TensorForm,
    TupleForm,
)

# A bundle whose model ties two weights, with counters and an optimizer's settings.
CHECKPOINT_EXAMPLE: Final = CheckpointDocument(
    schema=SCHEMA_ID,
    producer=ProducerRecord("depickle", "0.1.0"),
    source=SourceRecord("run.pth.tar", 1_600_455, "zip", "torch 1.6 to 1.12"),
    style="bundle",
    bare=False,
    components=[
        ComponentRecord(
            "model",
            ComponentKind.MODEL,
            ["state_dict"],
            RefForm(0),
            [("embed.weight", 0), ("head.weight", 1), ("proj.weight", 2)],
        ),
    ],
    tensors=[
        TensorRecord("model.embed.weight", "float32", [1000, 100], 0),
        TensorRecord("model.embed.weight", "float32", [1000, 100], 0),
        TensorRecord("model.proj.weight", "float32", [10, 100], 1, stride=[1, 10]),
    ],
    storages=[
        StorageRecord("0", 400_000, "float32", "cuda:0", name="model.embed.weight"),
        StorageRecord("1", 4_000, "float32", "cuda:0"),
    ],
    root=DictForm(
        [
            ["epoch", 90],
            ["best", FloatForm("7ff0000000000000")],
            ["state_dict", RefForm(0)],
            [
                "args",
                DictForm(
                    [
                        ["betas", TupleForm([0.9, 0.999])],
                        ["device", PlainForm("torch.device", ["cuda", 0])],
                        ["loss", GlobalForm("torch.nn.modules.loss", "CrossEntropyLoss")],
                        [0, "an int key is no text key"],
                    ]
                ),
            ],
        ]
    ),
    nodes=[
        OrderedDictForm(
            [
                ["embed.weight", TensorForm(0)],
                ["head.weight", TensorForm(1)],
                ["proj.weight", TensorForm(2)],
            ],
            attributes=DictForm([["_metadata", OrderedDictForm([])]]),
        ),
    ],
    aliases={"model.head.weight": "model.embed.weight"},
)

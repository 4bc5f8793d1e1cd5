"""Public Hypothesis strategies: tensors, checkpoints, opcode streams, files and hostile files.

They make what PyTorch users save, so that whoever writes or reads checkpoints can test their own
code with them::

    from hypothesis import given
    from converter.strategies import checkpoints


    @given(checkpoints(style="bundle"))
    def test_my_loader(checkpoint): ...

Nothing here is loaded, converted or judged: what is right, the test says. `opcode_streams` and
`hostile_files` work without PyTorch; the others import it when they first make an example.
"""

from __future__ import annotations

from converter.strategies.checkpoints import STYLES, checkpoints
from converter.strategies.files import FORMS, PROTOCOLS, CheckpointFile, checkpoint_files
from converter.strategies.hostile import TRICKS, HostileFile, hostile_files
from converter.strategies.modules import modules
from converter.strategies.opcodes import opcode_streams
from converter.strategies.operands import TRIPWIRE
from converter.strategies.optimizers import OPTIMIZER_NAMES, optimizers
from converter.strategies.tensors import DTYPE_NAMES, tensor_groups, tensors
from converter.strategies.values import loose_values

__all__ = [
    "DTYPE_NAMES",
    "FORMS",
    "OPTIMIZER_NAMES",
    "PROTOCOLS",
    "STYLES",
    "TRICKS",
    "TRIPWIRE",
    "CheckpointFile",
    "HostileFile",
    "checkpoint_files",
    "checkpoints",
    "hostile_files",
    "loose_values",
    "modules",
    "opcode_streams",
    "optimizers",
    "tensor_groups",
    "tensors",
]

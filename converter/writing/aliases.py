"""Names that show the same view of the same storage: which one is written.

The choice is that of ``safetensors.torch.save_model`` (`_remove_duplicate_names`): the first name
in sorted order is kept, so that ``load_model`` finds what it looks for. Two differences, both
forced: empty tensors are always written, because ``load_model`` does not count them as shared;
and a name that is a key of our own metadata is never dropped, because the metadata entry
``dropped → kept`` would overwrite it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from converter.checkpoint.tensor import TensorRef

FORMAT_KEY: Final = "format"
DOCUMENT_KEY: Final = "depickle.document"
DOCUMENT_SHA256_KEY: Final = "depickle.document.sha256"
DOCUMENT_FILE_KEY: Final = "depickle.document.file"
RESERVED_KEYS: Final = frozenset({FORMAT_KEY, DOCUMENT_KEY, DOCUMENT_SHA256_KEY, DOCUMENT_FILE_KEY})


def find_aliases(named: Sequence[tuple[str, TensorRef]]) -> dict[str, str]:
    """Return dropped name → kept name for the exact aliases among the tensors of one file."""
    groups: dict[tuple[object, ...], list[str]] = {}
    users = Counter(tensor.storage for _, tensor in named)
    if len(users) == len(named):
        return {}
    for name, tensor in named:
        if users[tensor.storage] > 1 and tensor.nbytes:
            groups.setdefault(tensor.view_key(), []).append(name)
    dropped: dict[str, str] = {}
    for names in groups.values():
        if len(names) > 1:
            kept = min(names, key=lambda name: (name not in RESERVED_KEYS, name))
            for name in names:
                if name != kept and name not in RESERVED_KEYS:
                    dropped[name] = kept
    return dropped

"""What is known of a model that was pickled as a whole object, beside its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from converter.checkpoint.values import Value

CERTAIN = "certain"
PROBABLE = "probable"


@dataclass(frozen=True, slots=True)
class LeftOutTensor:
    """A tensor that hangs on a module and is no part of its ``state_dict()``.

    Attributes:
        path: where it stands: module path and attribute, joined by dots.
        reason: why ``state_dict()`` would not name it.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ModuleFacts:
    """How the ``state_dict()`` of a pickled module was recovered, and what else is known of it.

    Attributes:
        certainty: ``certain`` when every class is torch's own, so that the rule is known;
            ``probable`` when a class that is not here could have changed the names.
        reasons: what makes it no more than probable, one sentence each.
        left_out: tensors in the object that ``state_dict()`` would not name.
        classes: module path (`""` for the whole) → class, in the order of ``named_modules()``.
        training: module path → its training flag, where it has one.
        values: entries of the ``state_dict()`` that are no tensors (a dtype, packed weights).
    """

    certainty: str
    reasons: tuple[str, ...]
    left_out: tuple[LeftOutTensor, ...]
    classes: dict[str, str]
    training: dict[str, bool]
    values: dict[str, Value]

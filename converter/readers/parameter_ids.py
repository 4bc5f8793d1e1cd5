"""Says which place the parameters of an old optimizer have, whose ids are memory addresses.

Until 1.5 ``Optimizer.state_dict()`` called parameters by ``id(parameter)``, since 1.6 by their
place, counted through all groups. ``load_state_dict()`` takes both: it goes by the order in the
groups alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.checkpoint.canonical import ComponentKind, Note
from converter.checkpoint.values import MappingValue, SequenceValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from converter.checkpoint.canonical import Component
    from converter.checkpoint.values import Value

_MAX_LISTED: Final = 8
# No program has anything at addresses below the first page.
_LOWEST_ADDRESS: Final = 4_096


def address_notes(components: Iterable[Component]) -> list[Note]:
    """Return a note on every optimizer whose parameter ids are memory addresses."""
    notes = []
    for component in components:
        if component.kind is not ComponentKind.OPTIMIZER:
            continue
        ids = _ids(component.value)
        if not ids or min(ids) < _LOWEST_ADDRESS:
            continue
        listed = ", ".join(f"{place} is {one}" for place, one in enumerate(ids[:_MAX_LISTED]))
        more = len(ids) - _MAX_LISTED
        text = (
            f"{component.name}: parameter ids are memory addresses, as torch before 1.6 saved "
            f"them; loading goes by their place in the groups: {listed}"
        )
        notes.append(Note("addresses_as_ids", text + (f", and {more} more" if more > 0 else "")))
    return notes


def _ids(value: Value) -> list[int]:
    """Return the ids of all groups in order, each once; none where some are no numbers."""
    groups = value.find("param_groups") if isinstance(value, MappingValue) else None
    found: dict[int, None] = {}
    for group in groups.items if isinstance(groups, SequenceValue) else ():
        params = group.find("params") if isinstance(group, MappingValue) else None
        for one in params.items if isinstance(params, SequenceValue) else ():
            if type(one) is not int:
                return []
            found.setdefault(one)
    return list(found)

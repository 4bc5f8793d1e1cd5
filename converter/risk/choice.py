"""Which rules may find something in a case: most judge what an ordinary checkpoint has nothing of.

To import all rules takes as long as to scan twenty small files, and most of them look for one odd
thing. `NEEDS` says of each rule what it looks at, and what a file has of that is found out in one
look. A rule whose needs are not there would find nothing: tests hold every rule to that, over every
hostile file.
"""

from __future__ import annotations

from types import MappingProxyType

from converter.inert.nodes import GlobalNode
from converter.risk.facts import Origin
from converter.risk.survey import FEWEST_SHARED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Final, Literal

    from converter.inert.nodes import CallNode
    from converter.risk.case import Case, PickleCase, Rule
    from converter.risk.facts import PickleFacts

    Sign = Literal[
        "anomaly",  # a parser noticed something about a container or about what follows a pickle
        "call",  # a pickle calls something
        "code",  # the archive brings code
        "counted",  # a pickle's memo is numbered in an odd way
        "depth",  # values are nested deeper than the limit
        "effect",  # a pickle changes what it did not make, or what a persistent id stands for
        "error",  # a pickle could not be read to its end
        "extension",  # a pickle asks the registry of copyreg
        "kind",  # the file is no plain pickle, nor an archive of torch with nothing but such in it
        "name",  # the file is not called as checkpoints are
        "numpy",  # a pickle calls something of numpy
        "odd stream",  # a parser noticed something about a pickle
        "origin",  # a pickle was not found where loaders look
        "persistent",  # a pickle asks for something outside of it
        "shared",  # many filled containers are met again
        "state",  # an object that a pickle makes is given attributes
        "unread",  # something could not be read
        "use",  # a name is used that is not safe, or not in the way that is safe
    ]

NEEDS: Final[Mapping[str, frozenset[Sign]]] = MappingProxyType(
    {
        "unsafe-global": frozenset({"use"}),
        "computed-name": frozenset({"use", "error", "odd stream"}),
        "dotted-name": frozenset({"use"}),
        "callable-as-data": frozenset({"use"}),
        "unsafe-use": frozenset({"use"}),
        "extension-registry": frozenset({"use", "extension"}),
        "persistent-id-call": frozenset({"persistent"}),
        "build-on-object": frozenset({"effect"}),
        "setstate-planting": frozenset({"state"}),
        "item-assignment": frozenset({"use", "effect"}),
        "attribute-shadowing": frozenset({"state"}),
        "nested-pickle": frozenset({"use", "origin"}),
        "hidden-pickle": frozenset({"origin"}),
        "stacked-pickle": frozenset({"origin"}),
        "lookalike-name": frozenset({"use"}),
        "unknown-global": frozenset({"use"}),
        "packaged-code": frozenset({"code"}),
        "torchscript-code": frozenset({"code"}),
        "object-array": frozenset({"anomaly"}),
        "array-metadata": frozenset({"numpy"}),
        "broken-stream": frozenset({"error"}),
        "trailing-bytes": frozenset({"anomaly"}),
        "stack-left-over": frozenset({"odd stream"}),
        "misplaced-proto": frozenset({"odd stream"}),
        "frame-mismatch": frozenset({"odd stream"}),
        "memo-tricks": frozenset({"counted"}),
        "reader-disagreement": frozenset({"odd stream"}),
        "two-containers": frozenset({"anomaly"}),
        "wrong-extension": frozenset({"kind", "name"}),
        "archive-in-archive": frozenset({"kind"}),
        "compressed-file": frozenset({"kind"}),
        "zip-duplicate-name": frozenset({"anomaly"}),
        "zip-case-clash": frozenset({"anomaly"}),
        "zip-local-header": frozenset({"anomaly"}),
        "zip-flags": frozenset({"anomaly"}),
        "zip-crc": frozenset({"anomaly"}),
        "zip-method": frozenset({"anomaly"}),
        "zip-root": frozenset({"anomaly"}),
        "zip-unsafe-name": frozenset({"anomaly"}),
        "zip-orphan-record": frozenset({"anomaly"}),
        "zip-prefix": frozenset({"anomaly"}),
        "zip-trailing-bytes": frozenset({"anomaly"}),
        "zip-concatenated": frozenset({"anomaly"}),
        "zip-second-end-record": frozenset({"anomaly"}),
        "zip-directory": frozenset({"anomaly"}),
        "zip-overlap": frozenset({"anomaly"}),
        "zip-gap": frozenset({"anomaly"}),
        "tar-entry": frozenset({"anomaly"}),
        "safetensors-header": frozenset({"unread"}),
        "tensor-metadata": frozenset({"call"}),
        "expansion": frozenset({"anomaly", "shared"}),
        "over-a-limit": frozenset({"anomaly", "depth", "error", "unread"}),
        "unreadable-input": frozenset({"unread"}),
    }
)
"""Id of a rule → what it looks at: where a case has none of it, the rule finds nothing."""

# They look at each pickle by itself, and of the container only at what `PickleFacts` has of it.
OF_PICKLES: Final = frozenset(
    {
        "unsafe-global",
        "computed-name",
        "dotted-name",
        "callable-as-data",
        "unsafe-use",
        "extension-registry",
        "persistent-id-call",
        "build-on-object",
        "setstate-planting",
        "item-assignment",
        "attribute-shadowing",
        "nested-pickle",
        "lookalike-name",
        "unknown-global",
        "array-metadata",
        "broken-stream",
        "stack-left-over",
        "misplaced-proto",
        "frame-mismatch",
        "memo-tricks",
        "reader-disagreement",
        "tensor-metadata",
    }
)
"""The rules that can be left out where nothing was found in the same pickles before."""

_PLAIN_STREAMS: Final = frozenset({"torch_legacy", "pickle"})
_PLAIN_KINDS: Final = _PLAIN_STREAMS | {"torch_save"}
_PLAIN_ENDINGS: Final = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")
# torch/_utils.py, _set_obj_state: these are given a state as an argument.
_STATEFUL: Final = frozenset({"_rebuild_from_type_v2", "_rebuild_parameter_with_state"})


def rules_for(case: Case, *, beside_pickles: bool) -> Sequence[Rule]:
    """Return the rules that may find something in a case, in the order of the rulebook.

    Args:
        case: what is to be judged.
        beside_pickles: whether to leave out those that look at its pickles alone.
    """
    signs = set(signs_of_file(case))
    if beside_pickles:
        needed = [rule for rule, needs in NEEDS.items() if needs & signs]
        return _judges([rule for rule in needed if rule not in OF_PICKLES])
    for pickle in case.pickles:
        signs.update(signs_of_pickle(pickle))
    return _judges([rule for rule, needs in NEEDS.items() if needs & signs])


def signs_of_file(case: Case) -> Iterator[Sign]:
    """Yield what there is for rules that do not only look at single pickles."""
    facts = case.facts
    if facts.anomalies:
        yield "anomaly"
    if facts.codes:
        yield "code"
    if facts.unread:
        yield "unread"
    if facts.kind not in _PLAIN_KINDS or any(
        archive.level and archive.kind not in _PLAIN_STREAMS for archive in facts.archives
    ):
        yield "kind"
    last = facts.name.rpartition("/")[2].lower()
    if "." in last and not last.endswith(_PLAIN_ENDINGS):
        yield "name"
    for pickle in facts.pickles:
        yield from _signs_of_place(pickle, case)


def _signs_of_place(pickle: PickleFacts, case: Case) -> Iterator[Sign]:
    """Yield what there is of one pickle for rules that look at the file as well."""
    if pickle.origin is not Origin.MAIN or pickle.parent_offset is not None:
        yield "origin"
    if pickle.graph.error is not None:
        yield "error"
    if pickle.survey.shared >= FEWEST_SHARED:
        yield "shared"
    if pickle.survey.depth > case.limits.max_depth:
        yield "depth"


def signs_of_pickle(pickle: PickleCase) -> Iterator[Sign]:
    """Yield what there is of one pickle for rules that look at single ones."""
    graph, census = pickle.graph, pickle.facts.census
    if pickle.uses:
        yield "use"
    if graph.anomalies:
        yield "odd stream"
    if graph.effects or any(node.states for node in graph.persistent):
        yield "effect"
    if graph.extensions:
        yield "extension"
    if graph.persistent:
        yield "persistent"
    if census is not None and (census.far_put, census.rewritten) != (None, None):
        yield "counted"
    if graph.calls:
        yield "call"
        yield from _signs_of_calls(graph.calls)


def _signs_of_calls(calls: Sequence[CallNode]) -> Iterator[Sign]:
    """Yield what there is of some calls; one pass, however many there are."""
    stated = numeric = False
    for call in calls:
        func = call.func
        if call.states:
            stated = True
        if type(func) is GlobalNode:
            stated = stated or func.name in _STATEFUL
            numeric = numeric or func.module.startswith("numpy")
    if stated:
        yield "state"
    if numeric:
        yield "numpy"


def _judges(needed: list[str]) -> list[Rule]:
    """Return the rules of these ids, without importing many others."""
    if not needed:
        return []
    judges = usual_rules()
    if not judges.keys() >= set(needed):
        judges |= common_rules()
    if not judges.keys() >= set(needed):
        from converter.risk.rulebook import RULES

        judges = dict(RULES)
    return [judges[rule] for rule in needed]


def usual_rules() -> dict[str, Rule]:
    """Return the rules of every checkpoint that holds tensors."""
    from converter.risk.rules import (
        attribute_shadowing,
        persistent_id_call,
        setstate_planting,
        tensor_metadata,
    )

    modules = (attribute_shadowing, persistent_id_call, setstate_planting, tensor_metadata)
    return {module.ID: module.judge for module in modules}


def common_rules() -> dict[str, Rule]:
    """Return the rules of files with names off the known-safe list, with arrays, or renamed."""
    from converter.risk.rules import (
        array_metadata,
        callable_as_data,
        computed_name,
        dotted_name,
        extension_registry,
        item_assignment,
        lookalike_name,
        nested_pickle,
        unknown_global,
        unsafe_global,
        unsafe_use,
        wrong_extension,
    )

    modules = (
        array_metadata,
        callable_as_data,
        computed_name,
        dotted_name,
        extension_registry,
        item_assignment,
        lookalike_name,
        nested_pickle,
        unknown_global,
        unsafe_global,
        unsafe_use,
        wrong_extension,
    )
    return {module.ID: module.judge for module in modules}

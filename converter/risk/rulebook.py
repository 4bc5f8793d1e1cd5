"""The list of all rules, in the order in which their findings are told."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from converter.risk.rules import (
    archive_in_archive,
    array_metadata,
    attribute_shadowing,
    broken_stream,
    build_on_object,
    callable_as_data,
    compressed_file,
    computed_name,
    dotted_name,
    expansion,
    extension_registry,
    frame_mismatch,
    hidden_pickle,
    item_assignment,
    lookalike_name,
    memo_tricks,
    misplaced_proto,
    nested_pickle,
    object_array,
    over_a_limit,
    packaged_code,
    persistent_id_call,
    reader_disagreement,
    safetensors_header,
    setstate_planting,
    stack_left_over,
    stacked_pickle,
    tar_entry,
    tensor_metadata,
    torchscript_code,
    trailing_bytes,
    two_containers,
    unknown_global,
    unreadable_input,
    unsafe_global,
    unsafe_use,
    wrong_extension,
    zip_case_clash,
    zip_concatenated,
    zip_crc,
    zip_directory,
    zip_duplicate_name,
    zip_flags,
    zip_gap,
    zip_local_header,
    zip_method,
    zip_orphan_record,
    zip_overlap,
    zip_prefix,
    zip_root,
    zip_second_end_record,
    zip_trailing_bytes,
    zip_unsafe_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from converter.risk.case import Rule

_MODULES: Final = (
    unsafe_global,
    computed_name,
    dotted_name,
    callable_as_data,
    unsafe_use,
    extension_registry,
    persistent_id_call,
    build_on_object,
    setstate_planting,
    item_assignment,
    attribute_shadowing,
    nested_pickle,
    hidden_pickle,
    stacked_pickle,
    lookalike_name,
    unknown_global,
    packaged_code,
    torchscript_code,
    object_array,
    array_metadata,
    broken_stream,
    trailing_bytes,
    stack_left_over,
    misplaced_proto,
    frame_mismatch,
    memo_tricks,
    reader_disagreement,
    two_containers,
    wrong_extension,
    archive_in_archive,
    compressed_file,
    zip_duplicate_name,
    zip_case_clash,
    zip_local_header,
    zip_flags,
    zip_crc,
    zip_method,
    zip_root,
    zip_unsafe_name,
    zip_orphan_record,
    zip_prefix,
    zip_trailing_bytes,
    zip_concatenated,
    zip_second_end_record,
    zip_directory,
    zip_overlap,
    zip_gap,
    tar_entry,
    safetensors_header,
    tensor_metadata,
    expansion,
    over_a_limit,
    unreadable_input,
    # Deliberately none: entropy, sizes of pickles, or what their texts look like. They guess.
)

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {module.ID: module.judge for module in _MODULES}
)
"""Id of a rule → what judges by it, in the order in which their findings are told."""

SUMMARIES: Final[Mapping[str, str]] = MappingProxyType(
    {module.ID: (module.__doc__ or "").strip() for module in _MODULES}
)
"""Id of a rule → what it finds, in one sentence."""

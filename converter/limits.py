"""Every cap on hostile input, with its unit and where the number comes from.

A limit is checked before anything of that size is allocated. The defaults are far above any
honest checkpoint met so far; tests lower them instead of growing their samples.
"""

from __future__ import annotations

from converter.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class Limits(Frozen):
    """Caps on what an input may make depickle do.

    Attributes:
        max_opcodes: opcodes in one pickle. A tensor costs about 30, so 2 million tensors fit.
        max_string_bytes: one string or bytes operand of a pickle. A legacy blob inside a plain
            pickle is one operand, so this also bounds a tensor pickled by ``pickle.dump``.
        max_line_bytes: one newline-terminated operand (protocol 0). CPython has no bound.
        max_decimal_digits: digits of a decimal integer operand; CPython's own default for
            ``int(str)`` (sys.int_info.default_max_str_digits).
        max_long_bytes: bytes of a binary integer operand (LONG4).
        max_pickle_window_bytes: how much of a pickle is held at once beyond one operand.
        max_records: members of one archive. ZIP without ZIP64 holds 65,535.
        max_directory_bytes: central directory of a zip archive.
        max_record_name_bytes: name of one member; the zip field itself is 16 bits.
        max_small_record_bytes: a record read whole on purpose (version, byteorder, JSON indexes).
        max_inflated_bytes: what one deflated record may grow to.
        max_inflate_ratio: inflated over deflated size; deflate itself cannot exceed 1,032.
        max_decompressed_bytes: what a compressed file (gzip, bzip2, xz, zlib) may grow to.
        max_decompress_ratio: decompressed over compressed size, once `max_small_record_bytes` are
            exceeded: bzip2 and xz shrink runs of zeros far more, and honest files hold some.
        max_npy_header_bytes: text of a .npy header; numpy itself stops at 10,000 characters.
        max_stacked_pickles: places after the first pickle of a file where another is tried.
        max_dims: dimensions of a tensor. torch itself stops at 64 for most operations.
        max_values: nodes of one tree of values.
        max_depth: nesting of one tree of values, where something must follow it downwards.
        max_call_depth: tensor rebuild calls nested in each other; torch nests two.
        max_overlap_bytes: bytes that one tensor may need beyond its storage (stride 0, unfold):
            a file of 16 bytes can claim a tensor of 2^60.
        max_blob_depth: legacy streams nested in the bytes of a pickle.
        max_header_bytes: safetensors header; 100,000,000 in the reference implementation.
        max_tensors: tensors of one checkpoint.
        max_shared_values: values met again on another way to a tensor, where parts of a tree are
            shared, beyond 64 ways to each: what is walked in a few seconds.
        max_names_chars: the names of one checkpoint's tensors together, where the header of one
            safetensors file holds 100,000,000 bytes.
        max_embedded_document_bytes: the document inside a safetensors header; a larger one goes
            to a sidecar file, so that readers of the header stay quick.
        max_embedded_storage_bytes: bytes of tensors without a name that a document keeps itself:
            the caches of a model, read whole; 4096 positions of 64 channels take 1 MB.
        max_document_bytes: the document of a converted checkpoint, wherever it stands; one of a
            vocabulary of a million entries has about 50 MB.
        max_folder_files: files that the document of a folder may name, all held open.
        copy_chunk_bytes: unit of streaming copies.
        gather_chunk_bytes: working memory of a strided gather.
    """

    max_opcodes: int = 64_000_000
    max_string_bytes: int = 1 << 32
    max_line_bytes: int = 1 << 28
    max_decimal_digits: int = 4_300
    max_long_bytes: int = 1 << 16
    max_pickle_window_bytes: int = 1 << 20
    max_records: int = 4_000_000
    max_directory_bytes: int = 1 << 30
    max_record_name_bytes: int = 65_535
    max_small_record_bytes: int = 1 << 26
    max_inflated_bytes: int = 1 << 40
    max_inflate_ratio: int = 1_100
    max_decompressed_bytes: int = 1 << 40
    max_decompress_ratio: int = 1_100
    max_npy_header_bytes: int = 1 << 20
    max_stacked_pickles: int = 10_000
    max_dims: int = 64
    max_values: int = 64_000_000
    max_depth: int = 1_000
    max_call_depth: int = 16
    max_overlap_bytes: int = 1 << 30
    max_blob_depth: int = 4
    max_header_bytes: int = 100_000_000
    max_tensors: int = 4_000_000
    max_shared_values: int = 500_000
    max_names_chars: int = 1 << 28
    max_embedded_document_bytes: int = 1 << 20
    max_embedded_storage_bytes: int = 1 << 24
    max_document_bytes: int = 1 << 29
    max_folder_files: int = 512
    copy_chunk_bytes: int = 1 << 23
    gather_chunk_bytes: int = 1 << 25


DEFAULT_LIMITS: Final = Limits()

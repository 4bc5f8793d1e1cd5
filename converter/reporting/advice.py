"""What to do about an error, by its code: texts that the command line prints below the sentence."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGAIN: Final = "Copy or download it again, and compare its size with the original's."
_LOST: Final = f"{_AGAIN} What is missing cannot be restored from this file."
_JUDGED: Final = (
    "Converting runs nothing of it: --allow {} converts it all the same. What loading it would do "
    "is told by `depickle scan`."
)
_UNPACK: Final = "Unpack it first, and give the file that comes out."

ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aborted_save": (
            "Pickling failed while the file was being saved. Save it again, or look for an "
            "earlier checkpoint."
        ),
        "compressed_damaged": _AGAIN,
        "compressed_truncated": _LOST,
        "compressed_twice": _UNPACK,
        "dcp_metadata": _AGAIN,
        "dcp_ranks": "Load and save it with torch once more, all ranks together.",
        "dcp_transforms": "Load and save it with torch, without extensions.",
        "dcp_truncated": _LOST,
        "dcp_unfinished": (
            "Saving was interrupted, or the file .metadata was not copied: copy the whole folder, "
            "or look for an earlier checkpoint."
        ),
        "deepspeed_parallel": "Convert it with DeepSpeed's ds_to_universal or zero_to_fp32 first.",
        "distcp_shard": "Give the folder it lies in, which has the file .metadata.",
        "document_mismatch": "Put the files of one conversion together again, or convert again.",
        "document_missing": "Copy the file beside it: it belongs to the same conversion.",
        "empty_file": (
            "The disk may have been full, or the download failed. Copy or download it again."
        ),
        "folder_unknown": "Give one of the checkpoints inside it.",
        "gguf_file": "GGUF files hold no pickle; the tools of llama.cpp read them.",
        "git_lfs_pointer": "Run `git lfs pull` in its repository to fetch the file itself.",
        "hdf5_file": "HDF5 files hold no torch checkpoint; h5py reads them.",
        "html_page": (
            "The download gave a page in place of the file: open the address in a browser, log "
            "in if it asks, or use the address of the raw file."
        ),
        "index_damaged": _AGAIN,
        "index_differs": "The index and its files are of different saves: copy them all again.",
        "legacy_truncated": _LOST,
        "lz4_compressed": "Unpack it with `lz4 -d` (or joblib), and give the file that comes out.",
        "npy_damaged": _AGAIN,
        "npy_truncated": _LOST,
        "output_exists": "Give another name, or --replace.",
        "pickle_truncated": _LOST,
        "record_short": _LOST,
        "safetensors_damaged": _AGAIN,
        "safetensors_truncated": _LOST,
        "seven_zip": "Unpack it with `7z x`, and give the file that comes out.",
        "shards_missing": "Copy the missing files into the same folder.",
        "storages_elsewhere": "Give the whole archive that torch.save wrote, not its data.pkl.",
        "symbolic_link": (
            "Links are not followed out of a folder. Copy it with the files themselves "
            "(`cp -rL FOLDER COPY`), and give the copy."
        ),
        "tar_damaged": _AGAIN,
        "tar_not_torch": _UNPACK,
        "tar_truncated": _LOST,
        "text_file": "Give the checkpoint itself; a server's message may stand in its place.",
        "torch_preview": "Load and save it with the release that wrote it.",
        "unknown_format": "If torch loads it, please report it with its first 64 bytes.",
        "verdict_dangerous": _JUDGED.format("dangerous"),
        "verdict_suspicious": _JUDGED.format("suspicious"),
        "zeros_file": "The copy or the download did not finish. Copy or download it again.",
        "zip_damaged": _AGAIN,
        "zip_directory_lost": (
            "Bytes were appended to it, or its end was cut off; torch does not load it either. "
            f"{_AGAIN}"
        ),
        "zip_encrypted": "Unpack it with its password, and give the file that comes out.",
        "zip_not_torch": "If there are checkpoints inside, unpack it and give them one by one.",
        "zip_packed": (
            "Unpack it and pack it again with deflate or without compression (`zip -0 -r`): torch "
            "reads no other either."
        ),
        "zip_truncated": _LOST,
        "zstd_compressed": "Unpack it with `zstd -d`, and give the file that comes out.",
    }
)
"""Code of an error → advice."""


def advice_on(error: BaseException) -> str | None:
    """Return what to do about an error, or None where there is nothing to say."""
    code = getattr(error, "code", None)
    return ADVICE.get(code) if isinstance(code, str) else None

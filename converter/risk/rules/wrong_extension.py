"""A name whose ending promises another kind of file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from converter.risk.finding import Finding, Location, Reach, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from converter.risk.case import Case

ID: Final = "wrong-extension"
# Endings under which nobody expects a pickle, and the kinds of file they do promise.
_PROMISES: Final = {
    **dict.fromkeys((".safetensors",), ("safetensors",)),
    **dict.fromkeys((".npy",), ("npy",)),
    **dict.fromkeys((".npz",), ("npz",)),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), ("hdf5", "other")),
    **dict.fromkeys((".gguf", ".ggml"), ("gguf",)),
    **dict.fromkeys((".gz", ".tgz"), ("gzip",)),
    **dict.fromkeys((".bz2",), ("bzip2",)),
    **dict.fromkeys((".xz",), ("xz", "lzma")),
    **dict.fromkeys((".7z",), ("seven_zip",)),
    **dict.fromkeys(
        (
            ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".svg", ".pdf", ".txt", ".md",
            ".json", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".xml", ".html", ".py", ".onnx",
            ".tflite", ".pb", ".parquet", ".arrow", ".wav", ".mp3", ".mp4", ".log",
        ),
        (),
    ),
}  # fmt: skip
_PROMISING: Final = tuple(_PROMISES)
_TORCH_ENDINGS: Final = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".model", ".joblib")
# Containers that no loader of checkpoints opens.
_FOREIGN: Final = frozenset({"seven_zip"})


def judge(case: Case) -> Iterator[Finding]:
    """Yield what this rule finds."""
    name = case.facts.name.lower()
    kind = case.facts.kind
    promised = None
    if name.endswith(_PROMISING):
        promised = next(kinds for end, kinds in _PROMISES.items() if name.endswith(end))
    lies = promised is not None and kind not in promised and bool(case.pickles)
    if lies or (kind in _FOREIGN and name.endswith(_TORCH_ENDINGS)):
        ending = name.rpartition(".")[2]
        # People do call their checkpoints .safetensors; only what is not safe hides by it.
        harmless = lies and not any(pickle.uses for pickle in case.pickles)
        yield Finding(
            ID,
            Severity.NOTE if harmless else Severity.SUSPICIOUS,
            Location(None, 0),
            f"the name ends in .{ending} and the bytes are {kind}",
            Reach.LATENT,
            evidence=f".{ending}",
        )

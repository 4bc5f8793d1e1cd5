"""A module as the formatters see it: its attributes as plain Python values."""

from __future__ import annotations

from typing import Final

from converter.readers.modules import ModuleView
from converter.readers.python_texts import Verbatim, python_value

_MISSING: Final = Verbatim("?")


class PrintedModule:
    """A module as a formatter sees it: its attributes as plain Python values."""

    __slots__ = ("view",)

    def __init__(self, view: ModuleView) -> None:
        """Look at a module that was laid open."""
        self.view: Final = view

    def __getitem__(self, name: str) -> object:
        """Return an attribute, the default of an old release's, or a question mark."""
        if name in self.view.attributes:
            return python_value(self.view.attributes[name])
        return _DEFAULTS.get(name, _MISSING)

    def has(self, name: str) -> bool:
        """Return whether ``module.name`` is something other than None."""
        return self.view.member(name) is not None

    def fill(self, template: str) -> str:
        """Return a template of this file with ``{attribute}`` filled in."""
        return template.format_map(self)


# Constructor defaults of attributes that some release did not have yet.
_DEFAULTS: Final[dict[str, object]] = {
    "padding_mode": "zeros",
    "proj_size": 0,
    "padding_idx": None,
    "approximate": "none",
    "inplace": False,
    "track_running_stats": True,
    "affine": True,
    "ceil_mode": False,
    "batch_first": False,
    "elementwise_affine": True,
    "size": None,
    "scale_factor": None,
    "norm_type": 2.0,
    "max_norm": None,
    "scale_grad_by_freq": False,
    "sparse": False,
    "output_padding": (),
    "groups": 1,
    "dim": None,
    "reduction": "mean",
    "ignore_index": -100,
    "label_smoothing": 0.0,
}

"""Regular expressions that are compiled when they are first asked for.

Python takes half as long to import `re`, and a compiled module of patterns as long again, as it
takes to start; and of the patterns that stand along the way of an ordinary checkpoint, hardly one
is asked. Flags stand in the pattern: ``(?s)``, ``(?i)``, ``(?a)``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import AnyStr, Final


class _Uncompiled:
    """A pattern that becomes, method by method, what it is compiled to."""

    def __init__(self, text: str | bytes) -> None:
        self._text: Final = text

    def __getattr__(self, name: str) -> object:
        """Compile it; from then on the method is an attribute, and found without this."""
        import re

        method = getattr(re.compile(self._text), name)
        self.__dict__[name] = method
        return method


def lazy_pattern(text: AnyStr) -> re.Pattern[AnyStr]:
    """Return a pattern that is compiled when it is first asked for."""
    return _Uncompiled(text)  # type: ignore[return-value]  # it has every attribute of a pattern

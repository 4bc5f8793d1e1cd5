"""``python -m converter``: the same as the command ``depickle``."""

from __future__ import annotations

from converter.cli.entry import main

if __name__ == "__main__":
    main()

"""How many examples a property gets of those that the profile grants."""

from __future__ import annotations

from hypothesis import settings


def share(part: int) -> int:
    """Return the profile's number of examples divided by `part`, but at least ten."""
    profile = settings.get_profile(settings.get_current_profile_name())
    return max(10, profile.max_examples // part)

"""Where what all projects of a user share is kept."""

import os
from pathlib import Path


def folder() -> Path:
    """The user's cache folder for Waymark; made where it is not there."""
    base = os.environ.get("XDG_CACHE_HOME")
    found = (Path(base) if base else Path.home() / ".cache") / "waymark"
    found.mkdir(parents=True, exist_ok=True)
    return found

"""Where what all projects of a user share is kept."""

import os
from pathlib import Path


def folder() -> Path:
    """The user's cache folder for Waymark, whether it is there or not."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "waymark"


def made() -> Path:
    """The same, made where it is not there; raises OSError where it may not be."""
    folder().mkdir(parents=True, exist_ok=True)
    return folder()

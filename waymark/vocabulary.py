"""What a definition may name on this installation: the one place that hands the registry's names to the compiler."""

from collections.abc import Collection

from connectors.channels import CHANNELS
from journeys.definition import Vocabulary


def vocabulary(channels: Collection[str] | None = None) -> Vocabulary:
    """The registry's channels, of which `channels` are set up (None: nobody knows, and nothing is said of it)."""
    return Vocabulary(channels=frozenset(CHANNELS), set_up=None if channels is None else frozenset(channels))

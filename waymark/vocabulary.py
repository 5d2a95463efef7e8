"""What a definition may name on this installation: the one place that hands the registry's names to the compiler."""

from collections.abc import Collection

from connectors.channels import CHANNELS
from connectors.named import by_name
from journeys.definition import Vocabulary
from waymark.settings import named_here


def vocabulary(
    channels: Collection[str] | None = None, *, calls: Collection[str] | None = None, lms: Collection[str] | None = None
) -> Vocabulary:
    """The registry's channels, of which `channels` are set up (None: nobody knows, and nothing is said of it); likewise
    named webhooks and LMSs. Where nobody knows, an LMS that a setting of this process names may be named.
    """
    named = by_name(named_here(), "WAYMARK_LMS", ("url", "token")) if lms is None else lms
    return Vocabulary(
        channels=frozenset(CHANNELS),
        set_up=_known(channels),
        lms=frozenset(named),
        lms_set_up=_known(lms),
        calls_set_up=_known(calls),
    )


def _known(names: Collection[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)

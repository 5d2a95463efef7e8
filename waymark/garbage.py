"""How a process that runs for long looks for garbage: rarely, and not among what it has had since its start.

Python looks through its youngest objects at every 700th allocation, and now and then through all of them, which in a
process of a hundred megabytes takes a tenth of a second: long enough for a request or a turn to notice. What a turn or
a batch makes is nearly all freed by counting references, without any of that.
"""

import gc

THRESHOLDS = (20_000, 20, 50)
"""Allocations between two looks at the youngest, and how many of these make one at the older, and the oldest."""


def settle() -> None:
    """Say that the start is over: what is there stays. Called once, when a process is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

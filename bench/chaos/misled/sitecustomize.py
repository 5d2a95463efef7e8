"""What Python loads first in a process whose clock is wrong.

Under the library that tells it the wrong time (libfaketime 0.9.10, with the monotonic clock left alone) `time.sleep`
raises EINVAL, as no clock that is merely wrong makes it do.
"""

import select
import time


def sleep(seconds: float) -> None:
    """As `time.sleep`, by another call of the system's."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep

"""Saying what goes on while servers are fetched and started: a bar on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from typing import TextIO

EVERY_SECONDS = 10.0


class Teller:
    """Says lines and progress on one stream; may be called from several threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Standard output, unless told otherwise."""
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._shown: dict[str, str] = {}
        self._said_at: dict[str, float] = {}

    def line(self, text: str) -> None:
        """Say a line that stays."""
        with self._lock:
            self._clear()
            print(text, file=self._stream, flush=True)
            self._draw()

    def progress(self, part: str, text: str, share: float | None) -> None:
        """Say how far something is: `share` from 0 to 1, where it is known."""
        said = f"{part:<10} {text}" + ("" if share is None else f" {share:4.0%}")
        if self._is_terminal:
            with self._lock:
                self._clear()
                self._shown = {} if share is not None and share >= 1 else {**self._shown, part: said}
                self._draw()
        elif time.monotonic() - self._said_at.get(f"{part}{text}", -EVERY_SECONDS) >= EVERY_SECONDS:
            self._said_at[f"{part}{text}"] = time.monotonic()
            self.line(said)

    def done(self, part: str) -> None:
        """The progress of a part is over."""
        with self._lock:
            self._clear()
            self._shown.pop(part, None)
            self._draw()

    def _clear(self) -> None:
        if self._is_terminal:
            self._stream.write("\r\x1b[K")

    def _draw(self) -> None:
        if self._is_terminal and self._shown:
            self._stream.write(" · ".join(self._shown.values())[:110])
            self._stream.flush()

"""The registry of writers: importing it imports them all."""

from connectors.writers import openai
from connectors.writers.base import WRITERS, Unusable, UnusableReason, Writer, WriterSettings, Written
from connectors.writers.opening import open_writer, read_writers

__all__ = [
    "WRITERS",
    "Unusable",
    "UnusableReason",
    "Writer",
    "WriterSettings",
    "Written",
    "open_writer",
    "openai",
    "read_writers",
]

"""The API, for every test here."""

from tests.support.api import api

__all__ = ["api"]

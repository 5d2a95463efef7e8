"""The server of a model, for every test here."""

from tests.support.drafting import server

__all__ = ["server"]

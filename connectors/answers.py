"""How an HTTP answer is read, whoever gave it: what `Retry-After` asks for, and whether it was about TLS."""

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

LONGEST_WORDS = 2_000
LONGEST_WAIT = timedelta(days=1)
"""A provider that asks for more is asked again after this."""
LATER = frozenset({408, 425, 429})
"""Statuses that mean *not now*, as every 5xx does."""


def web_url(text: str) -> str:
    """An address that can be posted to; a ValueError says what is wanted."""
    try:
        url = urlsplit(text)
        is_reachable = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        is_reachable, url = False, urlsplit("")
    if url.scheme not in {"http", "https"} or not is_reachable:
        raise ValueError("write a URL that begins with https:// or http://, as https://hooks.example.org/waymark")
    return text


def words_of(status: int, said: bytes) -> str:
    """The status and the beginning of what was said with it, for diagnosis."""
    text = said[:LONGEST_WORDS].decode(errors="replace").replace("\0", "")
    return f"{status} {text}".strip()


def wait_asked_for(value: str | None, *, now: datetime) -> timedelta | None:
    """What `Retry-After` asks for, as seconds or as a date; None where it says nothing that can be read."""
    if value is None:
        return None
    if value.strip().isdecimal() and value.isascii():
        return min(timedelta(seconds=int(value.strip()[:9])), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta()), LONGEST_WAIT)


def is_about_tls(error: BaseException) -> bool:
    """Whether the other side's certificate is behind it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False

"""A letter in its written form: headers, then a plain and an HTML part as alternatives. Pure.

Python's `email` writes it as well, at ten times the price: it parses every header it is given. Here it is asked only
for what needs encoding, quoting or folding.
"""

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from functools import lru_cache

_SIMPLE = re.compile(r"[ -~]{0,60}")
_SIMPLE_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_LONGEST_LINE = 78


def written(
    headers: Mapping[str, str | Address], *, text: str, html: str, key: str, policy: "EmailPolicy[EmailMessage]"
) -> bytes:
    """The letter; its lines end with a line feed alone, which `policy` must say too. `key` names it, and no other."""
    boundary = f"=_{key}"
    parts = [_part("plain", text), _part("html", html)]
    while any(boundary.encode() in part for part in parts):
        boundary += "_"
    kind = f'multipart/alternative;\n boundary="{boundary}"'
    head = b"".join(header(name, value, policy=policy) for name, value in headers.items())
    head += f"MIME-Version: 1.0\nContent-Type: {kind}\n\n".encode()
    line = f"--{boundary}".encode()
    return b"%b%b\n%b\n%b\n%b\n%b--\n" % (head, line, parts[0], line, parts[1], line)


def header(name: str, value: str | Address, *, policy: "EmailPolicy[EmailMessage]") -> bytes:
    """One header with its line end, encoded and folded where it must be."""
    if isinstance(value, Address):
        is_simple = not value.display_name and len(value.addr_spec) <= 60 and _SIMPLE_ADDRESS.fullmatch(value.addr_spec)
    else:
        is_simple = _SIMPLE.fullmatch(value) and "=?" not in value and value == value.strip()
    if is_simple:
        return f"{name}: {value}\n".encode()
    if isinstance(value, Address) and value.display_name:
        return _from_somebody(name, value.display_name, value.username, value.domain, policy)
    return policy.fold_binary(*policy.header_store_parse(name, value))


@lru_cache(maxsize=16)
def _from_somebody(
    name: str, display_name: str, username: str, domain: str, policy: "EmailPolicy[EmailMessage]"
) -> bytes:
    """Who has a name in a letter is its sender, the same in all of them; the recipients are addresses alone."""
    return policy.fold_binary(*policy.header_store_parse(name, Address(display_name, username, domain)))


def _part(subtype: str, content: str) -> bytes:
    encoding, body = _encoded(content)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\nContent-Transfer-Encoding: {encoding}\n\n'
    return head.encode() + body


def _encoded(content: str) -> tuple[str, bytes]:
    """As it is where that is safe for every server; else in the shorter of the two ways."""
    lines = content.encode().splitlines()
    plain = b"\n".join(lines) + b"\n"
    if plain.isascii() and max(map(len, lines), default=0) <= _LONGEST_LINE:
        return "7bit", plain
    quoted = b2a_qp(plain, istext=True)
    based = encodebytes(plain)
    return ("quoted-printable", quoted) if len(quoted) <= len(based) else ("base64", based)

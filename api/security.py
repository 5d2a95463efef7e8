"""Who may call: whoever holds a bearer key. Keys are kept as SHA-256 alone, and compared in constant time."""

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from api.parts import Parts, parts_of
from api.problems import NotAllowedIn
from store.queries import api_keys

MAX_KEY_LENGTH = 512
_scheme = HTTPBearer(auto_error=False, description="A key of this installation; `waymark up` writes the first.")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the name of the key, and its digest."""

    name: str
    digest: str


def digest_of(key: str) -> str:
    """The SHA-256 of a key, in hexadecimal."""
    return sha256(key.encode(errors="surrogateescape")).hexdigest()


async def authenticate(request: Request) -> Principal:
    """Who calls; raises NotAllowedIn. Asked once for each request."""
    known = getattr(request.state, "principal", None)
    if isinstance(known, Principal):
        return known
    principal = await _find(parts_of(request), _key_of(request))
    request.state.principal = principal
    return principal


def _key_of(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise NotAllowedIn("key_missing", "send a key in the header `Authorization: Bearer KEY`")
    return key


async def _find(parts: Parts, key: str) -> Principal:
    digest = digest_of(key[: MAX_KEY_LENGTH + 1])
    handed = [name for known, name in parts.key_digests.items() if compare_digest(known, digest)]
    if handed:
        return Principal(handed[0], digest)
    async with parts.database.read() as session:
        name = await api_keys.find_name(session, digest)
    if name is None:
        raise NotAllowedIn(
            "key_unknown", "this key is not one of this installation; `waymark up` writes one to admin.key"
        )
    return Principal(name, digest)


async def _principal(request: Request, _documented: Annotated[object, Security(_scheme)]) -> Principal:
    return await authenticate(request)


Caller = Annotated[Principal, Depends(_principal)]
"""An endpoint with this argument is closed to everybody without a key."""

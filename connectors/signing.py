"""Standard Webhooks: what is signed with, and the headers that a receiver checks."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime

from pydantic import SecretStr
from standardwebhooks import Webhook as Signer

HOW_TO_MAKE = 'make one with: echo "whsec_$(openssl rand -base64 32)"'


def signing_secret(secret: SecretStr) -> SecretStr:
    """The secret, where it is one that can be signed with; a ValueError says how to make one, and no secret."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError(f"write whsec_ and 24 to 64 bytes in base64; {HOW_TO_MAKE}")
    return secret


class Signature:
    """Signs with one secret."""

    def __init__(self, secret: SecretStr) -> None:
        self._signer = Signer(secret.get_secret_value())

    def headers(self, id_: str, body: str, *, at: datetime) -> Mapping[str, str]:
        """The headers by which the receiver knows who sent this body, when, and whether it has had it before."""
        return {
            "webhook-id": id_,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(id_, at, body),
        }

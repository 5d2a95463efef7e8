"""The links in messages that lead to pages of ours: signed, so that nobody can make or alter one. Pure.

A link names ids and never a person. It carries no time: whether it still opens anything is for the page to say, from
what stands in the store. Each purpose signs with a salt of its own, so that a link for one opens nothing of another.
"""

import re
from dataclasses import dataclass, field
from hashlib import sha256

from itsdangerous import BadSignature, Signer

_SURVEY = "waymark.survey"
_WHY = "waymark.why"
_LONGEST = 512
_NAMES = re.compile(r"([A-Za-z0-9_-]{1,200})\.([1-9][0-9]{0,8})\.([A-Za-z0-9_-]{1,200})")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, slots=True)
class SurveyRef:
    """The visit of a step at which a survey was asked."""

    enrolment: str
    node: str
    visit: int


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and reads links. `public_url` is what they begin with, without a slash at its end."""

    secret: str = field(repr=False)
    public_url: str

    def survey(self, enrolment: str, node: str, visit: int) -> str:
        """Where this survey is answered; the same for the same visit, always."""
        return f"{self.public_url}/a/{self.sign_survey(SurveyRef(enrolment, node, visit))}"

    def sign_survey(self, ref: SurveyRef) -> str:
        """The token of this survey's page."""
        return self._signer(_SURVEY).sign(f"{ref.enrolment}.{ref.visit}.{ref.node}").decode()

    def read_survey(self, token: str) -> SurveyRef | None:
        """What the token names; None where we have not made it, or somebody changed it."""
        signed = self._read(_SURVEY, token)
        names = None if signed is None else _NAMES.fullmatch(signed)
        return None if names is None else SurveyRef(names[1], names[3], int(names[2]))

    def why(self, delivery: str) -> str | None:
        """Where who got this delivery reads why; the same for the same delivery, always. None where this installation
        has no address.
        """
        return f"{self.public_url}/w/{self.sign_why(delivery)}" if self.public_url else None

    def sign_why(self, delivery: str) -> str:
        """The token of this delivery's page."""
        return self._signer(_WHY).sign(delivery).decode()

    def read_why(self, token: str) -> str | None:
        """The delivery that the token names; None where we have not made it, or somebody changed it."""
        signed = self._read(_WHY, token)
        return signed if signed is not None and _NAME.fullmatch(signed) else None

    def _read(self, purpose: str, token: str) -> str | None:
        """What was signed for this purpose."""
        if len(token) > _LONGEST:
            return None
        signer, given = self._signer(purpose), token.encode(errors="replace")
        try:
            signed = signer.unsign(given)
            # base64 has several spellings of the same signature: only the one that we write is ours
            return signed.decode() if signer.sign(signed) == given else None
        except (BadSignature, UnicodeDecodeError):
            return None

    def _signer(self, purpose: str) -> Signer:
        return Signer(self.secret, salt=purpose, key_derivation="hmac", digest_method=sha256)

"""Length: neither text is empty, the body keeps to the words that are asked for and to what the channels carry.

Where the author asks for no number (`max_words`), a body by e-mail or webhook has at most 120 words: half a minute of
reading, on a telephone, between two other things; at 238 words a minute of English that is no fiction (Brysbaert, How
many words do we read per minute?, Journal of Memory and Language 109, 2019). What goes by sms or push alone has their
characters instead.
"""

import re
from collections.abc import Iterator, Mapping

from journeys.drafting.checks.base import BLANK, Finding, Look, as_read, check, quoted, words_of
from journeys.drafting.order import LINK, PLACEHOLDER

LONGEST_SUBJECT = 78
"""Characters of a subject; RFC 5322, 2.1.1, for a line, and about what a list of mails shows."""

SMS, SMS_UCS2 = (160, 153), (70, 67)
"""Characters of a text message, alone and as one of several; 3GPP TS 23.038 and 23.040: septets, or UCS-2 once one
character is not in the alphabet."""

MOST_MESSAGES = 2
"""How many text messages one body may become."""

PUSH: Mapping[str, int] = {"subject": 50, "body": 150}

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€\f")
_FILLED = {LINK: 30}
"""What a placeholder is reckoned to become, in characters; others 15."""

_ENDS = re.compile(r"(?:[.!?…:)}\"'»”]|▢)\s*\Z")
_OPEN_END = re.compile(
    r"(?:[,;-]|\b(?:and|or|the|a|an|to|of|with|for|und|oder|der|die|das|mit|für|zu|et|ou|le|la|de|du|avec|pour|y|o"
    r"|el|con|para))\s*\Z",
    re.IGNORECASE,
)


@check("length")
def length(look: Look) -> Iterator[Finding]:
    """A text that is empty, too long for what is asked or for a channel, or cut off."""
    subject, body = look.text.subject.strip(), look.text.body.strip()
    if not subject:
        yield Finding("length", "hard", "the subject is empty; write one line")
    read = look.body.strip()
    count = len(words_of(read))
    if count < 3:
        yield Finding("length", "hard", "the body says nothing; write the message", quoted(body) or None)
        return
    limit = look.order.most_words
    if limit is not None and count > limit:
        yield Finding("length", "hard", f"the body has {count} words, at most {limit} are wanted; shorten it")
    if len(look.subject) > LONGEST_SUBJECT:
        detail = f"the subject has {len(look.subject)} characters; write at most {LONGEST_SUBJECT}"
        yield Finding("length", "hard", detail, quoted(subject))
    if _OPEN_END.search(read):
        yield Finding("length", "hard", "the text ends in the middle of a sentence; write it whole", quoted(body[-60:]))
    elif not _ENDS.search(read) and len(words_of(read.rsplit("\n", 1)[-1])) > 4:
        yield Finding("length", "soft", "the last sentence does not end; is the text whole?", quoted(body[-60:]))
    yield from _by_channel(look, subject, body)


def _by_channel(look: Look, subject: str, body: str) -> Iterator[Finding]:
    own = look.order.fallback.channels
    if "sms" in look.order.channels and "sms" not in own:
        filled = _filled(body)
        alone, joined = SMS if set(filled) <= _GSM | _GSM_TWICE else SMS_UCS2
        size = sum(2 if letter in _GSM_TWICE else 1 for letter in filled)
        messages = 1 if size <= alone else -(-size // joined)
        if messages > 1:
            detail = (
                f"for sms the body has about {size} characters once filled, that is {messages} messages; shorten it"
            )
            yield Finding("length", "hard" if messages > MOST_MESSAGES else "soft", f"{detail} to {alone}")
    if "push" in look.order.channels and "push" not in own:
        for part, text in (("subject", subject), ("body", body)):
            if len(_filled(text)) > PUSH[part]:
                detail = f"for push the {part} has about {len(_filled(text))} characters; write at most {PUSH[part]}"
                yield Finding("length", "hard", detail, quoted(text))


def _filled(text: str) -> str:
    """The text with something as long as what a placeholder becomes."""
    return as_read(PLACEHOLDER.sub(lambda match: "x" * _FILLED.get(match[1].strip(), 15), text)).replace(BLANK, "")

"""Markup: paragraphs, lists, bold and italic are ours; nothing else, and none of it in the subject."""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, check, quoted
from journeys.drafting.order import PLACEHOLDER

_FOREIGN: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("HTML", re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]{0,20}(?:\s[^<>]{0,300})?/?>|<!--|<!\[?[A-Za-z]|&(?:#\d{1,7}"
    r"|#x[\da-fA-F]{1,6}|[a-zA-Z]{2,10});")),
    ("a heading", re.compile(r"^ {0,3}#{1,6}[ \t]+\S[^\n]{0,80}|^[^\n]{1,80}\n {0,3}(?:={3,}"
    r"|-{3,})[ \t]*$", re.MULTILINE)),
    ("a table", re.compile(r"^[ \t]*\|[^\n]{1,200}\|[ \t]*$|^[ \t]*:?-{2,}:?[ \t]*\|[^\n]{1,200}$", re.MULTILINE)),
    ("an image", re.compile(r"!\[[^\]\n]{0,200}\]")),
    ("code", re.compile(r"`{1,3}[^`\n]{0,80}|^~{3,}", re.MULTILINE)),
    ("a template block", re.compile(r"\{%.{0,80}?(?:%\}|$)|\{#.{0,80}?(?:#\}|$)|<%.{0,80}?%>"
    r"|\[\[.{0,80}?\]\]", re.DOTALL)),
    ("a quotation block", re.compile(r"^ {0,3}>[^\n]{0,80}", re.MULTILINE)),
    ("a rule", re.compile(r"^ {0,3}(?:\*[ \t]*){3,}$|^ {0,3}(?:_[ \t]*){3,}$|^ {0,3}(?:-[ \t]*){3,}$", re.MULTILINE)),
    ("struck or footnoted text", re.compile(r"~~[^~\n]{1,80}~~|\[\^[\w-]{1,20}\]")),
    ("a frame of JSON", re.compile(r"^\s*\{\s*\"|\"(?:subject|body)\"\s*:")),
)  # fmt: skip
_IN_SUBJECT = re.compile(r"\*\*|__|^\s*[-*#>]\s|\n|\r|^\s*(?:subject|betreff|objet|asunto)\s*:", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"\A\s*(?:(?:sure|certainly|of course|here(?:'s| is) (?:the|your|a)|hier ist (?:der|dein|die)|voici (?:le|un"
    r"|votre)|aquí (?:tienes|está) (?:el|tu|un))\b[^\n]{0,60}(?::|draft|entwurf|brouillon|borrador)"
    r"|(?:subject|betreff|objet|asunto)\s*:)[^\n]{0,40}",
    re.IGNORECASE,
)


@check("markup")
def markup(look: Look) -> Iterator[Finding]:
    """Markup beyond ours: HTML, headings, tables, images, code, template blocks; any at all in the subject."""
    seen = PLACEHOLDER.sub(" ", look.raw.translate(_STRAIGHT))
    for what, pattern in _FOREIGN:
        for match in pattern.finditer(seen):
            detail = f"{what}: write paragraphs, lists with -, **bold** and *italic*, and nothing else"
            yield Finding("markup", "hard", detail, quoted(match[0]))
    for match in _IN_SUBJECT.finditer(look.text.subject.strip()):
        yield Finding("markup", "hard", "the subject is one plain line without marks", quoted(match[0]) or None)
    preamble = _PREAMBLE.match(look.text.body)
    if preamble is not None:
        yield Finding("markup", "hard", "talk about the draft; write only the message itself", quoted(preamble[0]))


_STRAIGHT = str.maketrans({"’": "'"})

"""Names: no person, firm, product or place that the facts do not name.

English, French and Spanish: a capital inside a sentence. In German every noun has one; there, and everywhere, what is
known by its surroundings: who is greeted, who signs, a title before a name, capitals inside a word, and products that
models like to name.
"""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import BLANK, Finding, Look, check, quoted

_CAPITALISED = re.compile(r"[A-ZÀ-ÖØ-Þ][\w'&-]*(?:[ ](?:(?:of|de|du|des|the|la|le|del|and|&)[ ])?[A-ZÀ-ÖØ-Þ][\w'&-]*)*")
_INSIDE = re.compile(r"(?<=[\wÀ-ÿ,;)%▢'\"-] )" + _CAPITALISED.pattern)
_BEFORE = re.compile(r"[.!?:…•*-][\"')»]*\s+\Z|\A\s*\Z|\n\s*\Z|[\"«(¿¡]\s*\Z|▢\s+\Z")

_GREETED = re.compile(
    r"(?:^|\n)[ \t]*(?:dear|hi|hello|hey|good morning|liebe[rs]?|hallo|guten (?:tag|morgen)|sehr geehrte[rs]?(?: frau"
    r"| herr)?|chère?|bonjour"
    r"|salut|hola|querid[oa]|estimad[oa]|buenos días)[ ]+(?P<name>[A-ZÀ-ÖØ-Þ][\w'-]+(?: [A-ZÀ-ÖØ-Þ][\w'-]+)?)",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(r"(?:^|\n)[ \t]*(?P<name>[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ]{2,20}), (?=[a-zà-öø-ÿ▢])")
_TITLED = re.compile(
    r"\b(?:Frau|Herrn?|Dr\.|Prof\.|Mr\.?|Mrs\.?|Ms\.?|M\.|Mme|Monsieur|Madame|Sr\.|Sra\.|Señora?|Don"
    r"|Doña)\s+(?P<name>[A-ZÀ-ÖØ-Þ][\w'-]+)"
)
_SIGNED = re.compile(
    r"(?:best(?: wishes| regards)?|kind regards|regards|cheers|yours|(?:viele|beste|herzliche|liebe"
    r"|freundliche[nr]?) grüße[n]?"
    r"|mit freundlichen grüßen|cordialement|bien à (?:vous|toi)|à bientôt|saludos(?: cordiales)?|un saludo"
    r"|atentamente),?[ \t]*\n\s{0,4}"
    r"(?P<name>[A-ZÀ-ÖØ-Þ][^\n]{1,60})",
    re.IGNORECASE,
)
_MIXED = re.compile(r"\b(?=[A-Za-z]*[a-z])[A-Za-z]+[a-z][A-Z][A-Za-z]*\b|\b[A-Z]&[A-Z]\b|\b[A-Z]{2,}(?:-[A-Z]\w+)?\b")
_PRODUCTS = re.compile(
    r"\b(?:Workday|Moodle|Cornerstone|Coursera|Udemy|Microsoft|Teams(?=[ -](?:Kanal|Channel|canal))|Slack|Zoom"
    r"|Outlook|Excel"
    r"|PowerPoint|SharePoint|Google|Harvard|Gallup|Stanford|McKinsey|Forbes|Oxford|Netflix|Amazon|Apple|Docebo|SAP"
    r"|Degreed|Percipio)\b"
)

_SMALL = frozenset({"en", "fr", "es"})
"""Languages in which a noun is written small."""

_PLAIN_WORDS = (
    "i i'm i'd i'll i've ok pdf faq hr it lms sms e-mail usted ud vd uds english german french spanish "
    "european rh drh kpi ki ia ai qr pc tv vr url html cv monday tuesday wednesday thursday friday saturday "
    "sunday january february march april may june july august september october november december christmas "
    "easter"
)
_PLAIN = frozenset(_PLAIN_WORDS.split())
"""Words that have capitals and name nobody."""

_OPENERS_WORDS = (
    "hi hello hey welcome today first then next now also still so yes well please thanks finally meanwhile "
    "instead hallo heute danke bitte also nun dann zuerst übrigens willkommen gut kurz moin bonjour salut "
    "bienvenue merci ensuite puis enfin aujourd'hui bref ici alors oui bravo parfois souvent hola bienvenido "
    "bienvenida gracias hoy primero luego después además así sí aquí ahora enhorabuena often sometimes perhaps "
    "maybe however here there once afterwards later usually"
)
_OPENERS = frozenset(_OPENERS_WORDS.split())
"""First words of a text that stand before a comma and are no names."""


@check("names", languages=_SMALL | {"de"})
def names(look: Look) -> Iterator[Finding]:
    """A name of a person, firm, product or place that the facts do not have."""
    known = _known(look.facts)
    told: set[str] = set()
    for name in _candidates(look):
        if _is_new(name, known) and name not in told:
            told.add(name)
            yield Finding("names", "hard", "the facts do not have this name; leave it out", quoted(name))


def _candidates(look: Look) -> Iterator[str]:
    for pattern in (_GREETED, _SIGNED, _TITLED):
        yield from (match["name"].strip() for match in pattern.finditer(look.body) if match["name"][0].isupper())
    for match in _ADDRESSED.finditer(look.body):
        if match.start() < 80 and match["name"].lower() not in _OPENERS:
            yield match["name"]
    for pattern in (_PRODUCTS, _MIXED):
        yield from (match[0] for match in pattern.finditer(look.prose) if not _is_shouted(match[0]))
    if look.language in _SMALL and _SMALL.issuperset(look.languages):
        yield from _inside(look.body)
        if not _is_headline(look.subject):
            yield from _inside(look.subject)


def _inside(text: str) -> Iterator[str]:
    """Capitalised words that do not begin a sentence."""
    for match in _INSIDE.finditer(text):
        if not _BEFORE.search(text[max(match.start() - 6, 0) : match.start()]) and not _is_shouted(match[0]):
            yield match[0]


def _is_shouted(word: str) -> bool:
    """Whether it is a word in capitals throughout, which the check of pressure judges."""
    return len(word) > 4 and word.isupper() and word.isalpha()


def _is_headline(subject: str) -> bool:
    """Whether most words of a subject have a capital, as English headlines do."""
    words = re.findall(r"[^\W\d_]{4,}", subject)
    return len(words) > 1 and sum(word[0].isupper() for word in words) > len(words) / 2


def _known(facts: str) -> frozenset[str]:
    return frozenset(word.lower() for word in re.findall(r"[\w&]+", facts)) | _PLAIN


def _is_new(name: str, known: frozenset[str]) -> bool:
    """Whether one of its words with a capital is not known, in any case, with or without an ending."""
    words = [word for word in re.findall(r"[\w&]+", name) if word[0].isupper() and word != BLANK]
    return any(not {low, low.removesuffix("s"), low + "s"} & known for low in map(str.lower, words) if len(low) > 1)

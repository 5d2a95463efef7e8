"""Which checks go by words of languages among which that of a text is not: said once for a text, so that nobody takes
their silence for praise. Pure.
"""

from collections.abc import Iterator

from journeys.drafting.checks.base import WORDS_OF, Finding, Look
from journeys.drafting.order import COVERAGE
from journeys.drafting.tongues import detect


def uncovered(look: Look) -> Iterator[Finding]:
    """The checks that lack the words of this text's language, in one finding; none where they know it, or where nobody
    can tell which it is.
    """
    language = look.language or _surely(look.prose)
    lacking = sorted(name for name, languages in WORDS_OF.items() if language not in languages)
    if language is not None and lacking:
        detail = (
            f"these checks have no words of the language {language!r}, and find only what needs none: "
            f"{', '.join(lacking)}; read the text for the rest yourself"
        )
        yield Finding(COVERAGE, "soft", detail)


def _surely(text: str) -> str | None:
    found = detect(text)
    return found[0] if found is not None and found[1] else None

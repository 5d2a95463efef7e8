"""Dates: no day, month or date that the facts do not have, in digits or in words, in whichever language they say it.

*Today* and *this week* are said of any moment at which a message is read, and pass.
"""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, Phrases, check, quoted
from journeys.drafting.numerals import DATE

_DAYS = {
    "en": "mondays? tuesdays? wednesdays? thursdays? fridays? saturdays? sundays?",
    "de": r"montags? dienstags? mittwochs? donnerstags? freitags? samstags?|sonnabends? sonntags?",
    "fr": "lundis? mardis? mercredis? jeudis? vendredis? samedis? dimanches?",
    "es": "lunes martes miércoles jueves viernes sábados? domingos?",
}
_AT = r"(?:in|by|until|of|from|since|early|mid|late|\d+(?:st|nd|rd|th)?)[\s-]"
"""What stands before *May* and *March* where they are months, and not words of another kind."""
_MONTHS = {
    "en": rf"january february {_AT}march|march\s\d+ april {_AT}may|may\s\d+ "
    "june july august september october november december",
    "de": "januar|jänner februar märz april mai juni juli august september oktober november dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}
_RELATIVE = {
    "tomorrow": {"en": "tomorrow", "de": "morgen (?:früh|vormittag|mittag|nachmittag|abend)|(?:bis|ab|schon|erst) "
    "morgen|übermorgen",
                 "fr": "demain|après-demain", "es": "(?<!la )(?<!por la )mañana(?! (?:siguiente))|pasado mañana"},
    "tonight": {"en": "tonight|this evening", "de": "heute abend", "fr": "ce soir", "es": "esta noche"},
    "next week": {"en": "next week", "de": "(?:nächste|kommende|folgende)[rn]? woche", "fr": "semaine prochaine",
                  "es": "la (?:próxima semana|semana (?:próxima|que viene))"},
    "next month": {"en": "next month", "de": "(?:nächste|kommende)[rnms]* monate?s?", "fr": "(?:le )?mois prochain",
                   "es": "el (?:próximo mes|mes que viene)"},
    "end of the week": {"en": "(?:the )?end of (?:the|this) week|before the weekend|(?:the|this) weekend",
                        "de": "ende (?:der|dieser) woche|wochenende|vor dem wochenende",
                        "fr": "fin de (?:la |cette )?semaine|week-?end", "es": "fin(?:al)? de (?:la |esta )?semana"},
    "end of the month": {"en": "(?:the )?end of (?:the|this) month", "de": "(?:ende (?:des|dieses) monats|monatsende)",
                         "fr": "fin (?:du|de ce) mois", "es": "fin(?:al(?:es)?)? de (?:este )?mes"},
    "end of the quarter": {"en": "(?:the )?end of (?:the|this) quarter", "de": "ende des quartals|quartalsende",
                           "fr": "fin du trimestre", "es": "fin(?:al)? del? trimestre"},
    "end of the year": {"en": "(?:the )?end of (?:the|this) year|year's end", "de": "ende des jahres|jahresende",
                        "fr": "fin (?:de l'|d')année", "es": "fin(?:al)? de(?:l)? año"},
    "season": {"en": "this (?:spring|summer|autumn|fall|winter)|christmas|easter|thanksgiving|new year(?:'s)?"
    "|(?:before|after) the (?:holidays|summer|break)",
               "de": "(?:diesen|im|nächsten) (?:frühling|frühjahr|sommer|herbst|winter)|weihnachten|ostern|silvester"
               "|neujahr|(?:vor|nach) (?:den|dem) (?:ferien|feiertagen|sommer|urlaub)",
               "fr": "(?:cet été|cet hiver|cet automne|ce printemps)|noël|pâques|(?:avant|après) (?:les (?:vacances"
               "|fêtes)|l'été)",
               "es": "(?:este|esta) (?:verano|otoño|invierno|primavera)|navidad|(?:antes|después) de (?:las "
               "vacaciones|las fiestas|l verano)"},
    "deadline": {"en": "(?:the |your )?deadline|due date|due by|is due|overdue",
                 "de": "frist|stichtag|abgabetermin|fällig|überfällig|deadline",
                 "fr": "date limite|échéance|délai|deadline", "es": "fecha límite|plazo|vencimiento|deadline"},
}  # fmt: skip


def _named(kind: str, by_language: dict[str, str]) -> dict[str, dict[str, str]]:
    """The n-th name of each language under one idea: a Monday is the same day everywhere."""
    names = {language: patterns.split() for language, patterns in by_language.items()}
    count = len(names["en"])
    return {f"{kind} {n + 1}": {language: own[n] for language, own in names.items()} for n in range(count)}


_MOMENTS = Phrases({**_named("weekday", _DAYS), **_named("month", _MONTHS), **_RELATIVE})
_DAY = re.compile(r"\d+")


@check("dates", languages=_MOMENTS.languages)
def dates(look: Look) -> Iterator[Finding]:
    """A day, month, date or deadline that the facts do not have."""
    known = {tuple(int(part) for part in _DAY.findall(match[0])) for match in DATE.finditer(look.facts)}
    for match in DATE.finditer(look.prose):
        if tuple(int(part) for part in _DAY.findall(match[0])) not in known:
            yield Finding("dates", "hard", "the facts do not have this date; leave it out", quoted(match[0]))
    ideas = _MOMENTS.ideas(look.facts)
    for idea, place in _MOMENTS.find(look.prose, look.languages):
        if idea not in ideas:
            detail = "the facts do not say when; leave this moment or deadline out"
            yield Finding("dates", "hard", detail, quoted(place[0]))

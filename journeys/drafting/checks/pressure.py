"""Pressure: no urgency that is not there, no fear of missing out, no shame, no shouting. No brief excuses it.

That something expires may be said where the facts say so, and that nothing is urgent, always.
"""

import re
from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, Phrases, check, quoted

_PRESSED = Phrases({
    "urgency": {
        "en": r"(?:time|the clock) is (?:ticking|short|limited|tight)|won't (?:wait|last|be (?:available|open"
        r"|there)) (?:forever|(?:for )?long)|about to (?:close|be (?:released|lost)|end)|(?:before"
        r"|until) (?:it|your \w+) (?:closes|is gone|runs out|disappears)|(?:complete|finish"
        r"|answer|register|sign up|respond|reply) (?:\w+ ){0,3}(?:today|now)|while (?:you still can"
        r"|there's still time|places last)|limited (?:places|seats|spots|availability)|count(?:ing)? on you|one last"
        r"|(?:secure|claim|grab) your (?:spot|place|seat)|"
        r"last chance|final (?:reminder|notice|call|warning)|act now|act fast|hurry(?: up)?|urgent(?:ly)?"
        r"|(?<!can )(?<!to )(?:do|act|start|begin|finish|complete|respond|reply|answer|register|book"
        r"|sign up) (?:\w+ ){0,3}"
        r"(?:immediately|right away|right now|at once)|asap"
        r"|as soon as possible|without delay|don't (?:delay|wait|put it off)|do not delay|time is running out"
        r"|running out of time|clock is ticking"
        r"|before it(?:'s| is) too late|limited time|only (?:a few|\w+) (?:\w+ )?(?:left|remaining)|(?:places|spots"
        r"|seats) (?:are )?(?:left|limited|filling)"
        r"|now or never|today only",
        "de": r"(?:nutzen?|ergreifen?|sicher[en]*) (?:\w+ ){0,3}(?:chance|gelegenheit|platz)|bevor (?:der|die|das|er"
        r"|sie|es) (?:\w+ ){0,2}(?:schließt|geschlossen wird|endet|abläuft|weg ist|verfällt)"
        r"|jetzt (?:gleich )?(?:anmelden|abschließen|buchen|teilnehmen|sichern|mitmachen)|(?:zählen"
        r"|rechnen) (?:\w+ )?auf (?:dich|sie)|solange (?:es )?noch|noch heute|wenige plätze|"
        r"letzte (?:chance|gelegenheit|erinnerung|mahnung|möglichkeit)|jetzt (?:handeln|zugreifen|oder nie)"
        r"|handel[ne]? (?:sie )?(?:jetzt|sofort)|beeil\w*|dringend\w*"
        r"|umgehend|unverzüglich|sofort (?:erledigen|starten|anmelden|handeln|beginnen)|so schnell wie möglich"
        r"|schnellstmöglich|die zeit (?:läuft|drängt|wird knapp)"
        r"|bevor es zu spät ist|nur noch (?:heute|wenige|\w+ (?:tage|stunden|plätze))|nur für kurze zeit"
        r"|zögern? (?:sie )?nicht|warte(?:n sie)? nicht(?: länger)?|schnell sein",
        "fr": r"il ne (?:vous |te )?reste (?:plus )?que|profitez-en|profites-en|avant la fermeture|sans plus tarder"
        r"|(?:inscrivez|connectez|lancez)-vous (?:vite|maintenant|dès)|dès (?:aujourd'hui|maintenant)"
        r"|comptons sur (?:vous|toi)|places (?:sont )?limitées"
        r"|saisissez (?:\w+ ){0,2}(?:chance|occasion)|"
        r"dernière (?:chance|relance|opportunité|occasion)|dernier (?:rappel|avertissement)"
        r"|agissez (?:maintenant|vite)|agis maintenant|dépêche[zr]?(?:-vous|-toi)?|urgent\w*|d'urgence"
        r"|immédiatement|sans (?:attendre|tarder|délai)|dès que possible|au plus vite|le temps (?:presse|file"
        r"|est compté)|avant qu'il ne soit trop tard"
        r"|plus que (?:quelques|\w+) (?:jours|heures|places)|n'attende[zs] (?:pas|plus)|n'attends (?:pas|plus)"
        r"|offre limitée|maintenant ou jamais",
        "es": r"qued(?:a|an) (?:muy )?(?:poc[oa]s?|\w+ (?:días|horas|plazas))|(?:termina|completa|hazlo|apúntate"
        r"|inscríbete|responde) (?:\w+ ){0,3}(?:ya|ahora)|hoy mismo|contamos contigo|aprovecha|plazas limitadas"
        r"|antes de que (?:se )?(?:cierre|acabe|termine|caduque)|está a punto de|"
        r"última (?:oportunidad|llamada|ocasión)|último (?:aviso|recordatorio)|actúa (?:ya|ahora)|actúe (?:ya"
        r"|ahora)|date prisa|dese prisa|apresúrate|urgente\w*|inmediatamente"
        r"|de inmediato|cuanto antes|lo antes posible|sin demora|el tiempo (?:se acaba|corre|apremia)"
        r"|antes de que sea (?:demasiado )?tarde"
        r"|(?:solo|sólo|únicamente) quedan?|por tiempo limitado|no (?:esperes|espere|tardes)(?: más)?|ahora o nunca"
        r"|ya mismo",
    },
    "expiry": {
        "en": r"expires? (?:soon|shortly)|about to expire", "de": r"läuft (?:bald |demnächst )?ab",
        "fr": r"expire (?:bientôt|dans)|va expirer", "es": r"caduca (?:pronto|en)|a punto de (?:caducar|vencer)",
    },
    "missing out": {
        "en": r"don't miss(?: out| it| this)?|do not miss|miss(?:ing)? out|you(?:'ll| will) regret"
        r"|once in a lifetime|unmissable|too good to miss",
        "de": r"verpass\w* (?:sie |du )?(?:\w+ ){0,3}nicht|nicht verpassen|lass(?:en sie)? (?:dir"
        r"|sich) (?:\w+ ){0,4}nicht entgehen|einmalige\w*|wirst du bereuen|werden sie bereuen",
        "fr": r"ne (?:manquez|rate[zs]?|manque|laissez) (?:surtout )?pas|à ne pas (?:manquer|rater)"
        r"|ne passez pas à côté|vous le regretterez|occasion unique",
        "es": r"no te (?:lo |la )?pierdas|no se (?:lo |la )?pierda|no (?:dejes|deje) (?:pasar|escapar)"
        r"|te arrepentirás|ocasión única|oportunidad única|imperdible",
    },
    "shame": {
        "en": r"(?:everyone|everybody) else|(?:all|most) (?:of )?your (?:colleagues|peers|team)|you(?:'re"
        r"| are) (?:falling |lagging |already |still )?(?:behind|late|the only)|fall(?:ing)? behind|left behind"
        r"|you still haven't|you have still not|still not done|no excuses?|we are (?:still )?waiting for you"
        r"|you keep (?:forgetting|ignoring|missing|putting)|why haven't you|you have ignored",
        "de": r"alle anderen|die meisten (?:deiner|ihrer) kolleg\w*|hinterherhink\w*|(?:du bist|sie sind"
        r"|bist du) (?:\w+ )?(?:im rückstand|zu spät|die einzige|der einzige)|abgehängt|keine ausreden"
        r"|immer noch nicht|noch immer nicht|du hast es versäumt|warum hast du",
        "fr": r"tous (?:les autres|vos collègues|tes collègues)|la plupart de (?:vos|tes) collègues|(?:vous êtes"
        r"|tu es) (?:en retard|à la traîne|le seul|la seule)|prendre du retard|pas d'excuses?|plus d'excuses?"
        r"|toujours pas|vous n'avez (?:toujours|encore) pas|pourquoi n'avez-vous",
        "es": r"todos (?:los demás|tus compañeros|sus compañeros)|la mayoría de (?:tus|sus) compañeros"
        r"|te (?:estás quedando|quedes|has quedado) atrás|quedarte atrás|vas (?:con retraso|tarde)|sin excusas"
        r"|no hay excusas"
        r"|todavía no has|aún no has|sigues sin|eres (?:el único|la única)",
    },
})  # fmt: skip

_DENIED = re.compile(
    r"\b(?:no|not|nothing|never|isn't|nicht|nichts|keine?|nie|rien|pas|aucune?|jamais|nada|ning[uú]na?"
    r"|nunca)\b[^.,!?:;\n]*\Z",
    re.IGNORECASE,
)
"""*Nothing here is urgent* presses nobody."""

_SHOUTED = re.compile(r"(?<![\w{.])[A-ZÀ-ÖØ-Þ]{5,}(?![\w}])")
_MARKS = re.compile(r"[!¡]{2,}|\?{2,}|[!?]*\?!+|!\?+")


@check("pressure", languages=_PRESSED.languages)
def pressure(look: Look) -> Iterator[Finding]:
    """Urgency, fear of missing out, shame, or shouting."""
    ends = "expiry" in _PRESSED.ideas(look.facts)
    for idea, place in _PRESSED.find(look.prose, look.languages):
        if idea == "expiry" and ends:
            continue
        if idea == "urgency" and _DENIED.search(look.prose, max(place.start() - 25, 0), place.start()):
            continue
        detail = f"this presses the reader ({idea}); say calmly what there is, and leave the choice to her"
        yield Finding("pressure", "hard", detail, quoted(place[0]))
    known = look.facts
    for match in _SHOUTED.finditer(look.prose):
        if match[0] not in known:
            yield Finding("pressure", "hard", "a word in capitals shouts; write it small", quoted(match[0]))
    for match in _MARKS.finditer(look.prose):
        yield Finding("pressure", "hard", "more than one mark shouts; one is enough", quoted(match[0]))

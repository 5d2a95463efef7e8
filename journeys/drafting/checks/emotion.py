"""Emotion: nothing about what the reader feels, and no comfort that presumes it."""

from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, Phrases, check, quoted

_EN_FEELINGS = (
    r"swamped|torn|stuck|uneasy|hesitant|discouraged|motivated|guilty|relieved|satisfied|bored|annoyed"
    r"|under pressure|frustrated|overwhelmed|stressed|anxious|nervous|worried|excited|thrilled|proud|tired|afraid"
    r"|scared|happy|sad"
    r"|confused|lonely"
    r"|exhausted|delighted|disappointed|unsure|insecure|eager|curious|busy and stressed|demotivated|intimidated|keen"
)
_DE_FEELINGS = (
    r"unter druck|motiviert|zufrieden|froh|gelangweilt|genervt|wütend|entmutigt|gespannt|hin- und hergerissen"
    r"|frustriert|überfordert|gestresst|ängstlich|nervös|besorgt|aufgeregt|begeistert|stolz|müde|glücklich|traurig"
    r"|verwirrt|erschöpft"
    r"|enttäuscht|unsicher|verunsichert|neugierig|angespannt|erleichtert"
)
_FR_FEELINGS = (
    r"motivée?|découragée?|gênée?|soulagée?|satisfaite?|agacée?|sous pression|hésitante?|frustrée?|débordée?"
    r"|dépassée?|stressée?|anxieu(?:x|se)|nerveu(?:x|se)|inqui(?:et|ète)|ravie?|enthousiaste"
    r"|fi(?:er|ère)|fatiguée?"
    r"|heureu(?:x|se)|triste|épuisée?|déçue?|perdue?|impatiente?|curieu(?:x|se)|submergée?"
)
_ES_FEELINGS = (
    r"motivad[oa]|desanimad[oa]|aliviad[oa]|agobiad[oa]|satisfech[oa]|aburrid[oa]|bajo presión|frustrad[oa]"
    r"|abrumad[oa]|estresad[oa]|ansios[oa]|nervios[oa]|preocupad[oa]|emocionad[oa]|ilusionad[oa]"
    r"|orgullos[oa]|cansad[oa]"
    r"|feliz|triste|confundid[oa]|agotad[oa]|decepcionad[oa]|insegur[oa]|perdid[oa]|impaciente"
)

_FELT = Phrases({
    "feeling": {
        "en": rf"(?<!if )(?<!when )(?<!whenever )(?<!how )(?<!do )(?<!what )you (?:may |might |must |probably "
        rf"|surely |can |will |are )?(?:be )?feel(?:ing)?(?! free)"
        rf"|(?:you are|you're|you must be|you may be|you might be|you're probably|you are probably|you're likely"
        rf"|you will be|you'll be|makes? you|are you|feeling)"
        rf" (?:[\w-]+ ){{0,2}}(?:{_EN_FEELINGS})|your (?:frustration|stress|anxiety|worries|fears?|excitement"
        rf"|enthusiasm|nerves|disappointment)"
        rf"|you (?:love|hate|fear|worry|dread|struggle|enjoy)(?:ed)?",
        "de": rf"(?:du fühlst|fühlst du|sie fühlen sich|fühlen sie sich)(?! \w+ frei)"
        rf"|(?:bist du|du bist|sie sind|sind sie|macht dich|macht sie) (?:[\w-]+ ){{0,3}}(?:{_DE_FEELINGS})"
        r"|(?:deine|ihre) (?:frustration|sorgen?|ängste?|angst|aufregung|vorfreude|begeisterung|enttäuschung"
        r"|unsicherheit)"
        r"|du (?:freust|sorgst|ärgerst) dich|freust du dich|sie freuen sich",
        "fr": rf"vous (?:vous sentez|devez (?:être|vous sentir))|tu te sens|tu dois (?:être|te sentir)"
        rf"|(?:vous êtes|tu es|êtes-vous|es-tu|vous rend|te rend) (?:[\w-]+ ){{0,3}}(?:{_FR_FEELINGS})"
        r"|(?:votre|ta|vos|tes|ton) (?:frustration|stress|angoisses?|inquiétudes?|craintes?|peurs?|enthousiasme"
        r"|déception|impatience)"
        r"|vous (?:adorez|craignez|redoutez)",
        "es": rf"te sientes|se siente usted|te sentirás|debes de (?:estar|sentirte)|debe de (?:estar|sentirse)"
        rf"|(?:estás|está usted|estarás|eres) (?:[\w-]+ ){{0,3}}(?:{_ES_FEELINGS})"
        r"|(?:tu|tus|su|sus) (?:frustración|estrés|ansiedad|preocupaci(?:ón|ones)|miedos?|ilusión|entusiasmo|decepción)"
        r"|te (?:preocupa|encanta|ilusiona|agobia|da miedo)",
    },
    "presumed feeling": {
        "en": r"(?:we|i) can (?:tell|see|guess)|it's (?:normal|natural|ok|okay|understandable|only human) (?:to|that"
        r"|if|for)|(?:can|may|might) (?:be|feel|seem) (?:like|hard|daunting|scary|overwhelming|intimidating"
        r"|stressful|difficult)|you (?:may|might|probably|will) find (?:it|this) (?:hard|difficult|tough)|(?:hard"
        r"|tough|difficult) for you|"
        r"(?:we|i) (?:know|understand|realise|realize|can imagine|get) (?:that |how )?(?:\w+ )?(?:you|you're"
        r"|it's|this is|it is|things)"
        r"|don't (?:be afraid|be nervous|panic|stress|feel bad|feel guilty)|do not (?:panic|be afraid)"
        r"|no need to (?:worry|panic|be nervous|stress)|don't worry|no worries",
        "de": r"(?:du hast|hast du|sie haben|haben sie) (?:\w+ ){0,2}(?:angst|sorgen?|bedenken|zweifel|hemmungen)"
        r"|fällt (?:es |das )?(?:dir|ihnen) (?:\w+ ){0,2}schwer|(?:es|das) ist (?:\w+ )?(?:normal|verständlich"
        r"|menschlich)|fühlt sich (?:\w+ ){0,2}an|(?:dir|ihnen) ist (?:\w+ ){0,2}(?:unangenehm|unwohl|mulmig)|"
        r"wir (?:wissen|verstehen|können uns vorstellen),? (?:dass|wie) (?:du|sie|es|das)|keine (?:angst|sorge"
        r"|panik)"
        r"|(?:mach dir|machen sie sich) keine sorgen|kein grund zur (?:sorge|panik)",
        "fr": r"(?:vous avez|tu as|avez-vous|as-tu) (?:peur|honte|hâte|du mal|des doutes|des craintes)|(?:il est"
        r"|c'est) (?:tout à fait )?(?:normal|naturel|compréhensible|humain) (?:de|que|d')|(?:vous vous"
        r"|tu t') ?(?:inquiétez|inquiètes|ennuyez|réjouissez|réjouis)|(?:difficile|pas facile|stressant"
        r"|intimidant) pour (?:vous|toi)|"
        r"nous (?:savons|comprenons|imaginons) (?:que|à quel point|combien)|(?:n'ayez|n'aie) (?:pas"
        r"|crainte)(?: peur)?|pas de panique"
        r"|ne (?:vous inquiétez|t'inquiète|stressez|stresse) pas|pas d'inquiétude",
        "es": r"te sientas|sentirte|sentirse|(?:tienes|tiene usted) (?:miedo|dudas|vergüenza|reparos)|es (?:normal"
        r"|natural|comprensible|humano) (?:que|sentir)|te (?:cuesta|resulta difícil|da vergüenza)|"
        r"(?:sabemos|entendemos|comprendemos|imaginamos) (?:que|lo|cómo)|no te (?:preocupes|agobies|estreses)"
        r"|no se preocupe"
        r"|no tengas miedo|que no cunda el pánico|sin miedo",
    },
})  # fmt: skip


@check("emotion", languages=_FELT.languages)
def emotion(look: Look) -> Iterator[Finding]:
    """A feeling that the text attributes to the reader."""
    for _, place in _FELT.find(look.prose, look.languages):
        detail = "nobody knows what the reader feels; say what there is, not how it feels"
        yield Finding("emotion", "hard", detail, quoted(place[0]))

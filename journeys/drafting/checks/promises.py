"""Promises, duties and claims: none that the facts do not make, in whichever language they make it."""

from collections.abc import Iterator

from journeys.drafting.checks.base import Finding, Look, Phrases, check, quoted

_SAID = Phrases({
    "guarantee": {
        "en": r"guarantee[ds]?|we promise|i promise|you can be sure|without fail|risk[- ]free",
        "de": r"garantier\w*|garantie|versprech\w*|versprochen|mit sicherheit|risikofrei",
        "fr": r"garanti\w*|nous (?:vous |te )?promettons|promis|à coup sûr|sans risque",
        "es": r"garantiz\w*|garantía|te prometemos|prometemos|sin riesgo|con total seguridad",
    },
    "promotion": {
        "en": r"(?:be|get|getting) promoted|(?:your )?next promotion|(?:boost|advance|accelerate"
        r"|further) your career|career (?:boost|growth|advancement)",
        "de": r"beförder\w*|(?:deine|ihre) karriere|karrieresprung|karriere\w*",
        "fr": r"promotion|promue?s?|(?:votre|ta) carrière|évolution de carrière",
        "es": r"ascenso|ascender\w*|(?:tu|su) carrera|promoción",
    },
    "reward": {
        "en": r"bonus(?:es)?|pay rise|pay raise|salary|gift card|vouchers?|reward(?:s|ed)?|prize",
        "de": r"bonus|prämie\w*|gehalt\w*|gutschein\w*|belohn\w*|preis zu gewinnen",
        "fr": r"prime|augmentation|salaire|bon d'achat|chèque-cadeau|récompens\w*",
        "es": r"bono|bonificación|aumento de sueldo|sueldo|salario|vale regalo|recompensa\w*|premio",
    },
    "certificate": {
        "en": r"certificates?|certified|certification|accredited",
        "de": r"zertifi\w*|teilnahmebescheinigung|akkreditiert\w*",
        "fr": r"certificat\w*|certifi\w*|attestation|diplôme",
        "es": r"certifica\w*|diploma|acreditad\w*",
    },
    "duty": {
        "en": r"you must(?! be (?:feeling|[a-z]+ed))|you have to|you are required|you're required|is mandatory"
        r"|is compulsory|is required"
        r"|it is essential that you|you are obliged|you need to complete",
        "de": r"(?:du musst|sie müssen|musst du|müssen sie)|verpflichtend|verpflichtet|pflicht(?:kurs|schulung"
        r"|training)?|obligatorisch|zwingend",
        "fr": r"vous devez|tu dois|obligatoire\w*|il faut (?:absolument|impérativement)|vous êtes tenue?s?|impérati\w*",
        "es": r"debes|debe usted|tienes que|tiene que|obligatori\w*|es imprescindible|imprescindible",
    },
    "consequence": {
        "en": r"(?:your manager|hr|we) will (?:be|see|know|notice|check|be (?:told|informed|notified))"
        r"|will be (?:reported|recorded|noted)|otherwise (?:you|your)|consequences|or you will|you will lose"
        r"|you'll lose",
        "de": r"(?:deine|ihre) führungskraft (?:wird|sieht|erfährt)|wird (?:gemeldet|informiert|vermerkt)"
        r"|konsequenzen|andernfalls|sonst (?:verlierst|verlieren)",
        "fr": r"(?:votre|ton) (?:manager|responsable) (?:sera|verra)|sera (?:signalée?|informée?)|conséquences"
        r"|sinon,? (?:vous|tu)|sous peine",
        "es": r"(?:tu|su) (?:responsable|jefe|jefa) (?:verá|sabrá|será)|será (?:informado|notificado)|consecuencias"
        r"|de lo contrario|perderás",
    },
    "certain success": {
        "en": r"get(?:s|ting)? ahead|opens? (?:\w+ )?doors?|pays? off|sets? you apart|(?:will|is going to"
        r"|are going to) (?:save|improve|boost|increase|make (?:you|your)|change|pay)|more (?:effective|productive"
        r"|successful|confident) (?:as|in|than|leader|manager|team)|"
        r"you(?:'ll| will) (?:never|always|definitely|certainly|become|be able to|master|double|succeed"
        r"|transform|save)|will (?:transform|change your|make you a|double|revolutioni[sz]e)|proven to|in no time"
        r"|success is",
        "de": r"(?:sparst du|du sparst|sparen sie|sie sparen)|zahlt sich aus|bringt (?:dich|sie) (?:\w+ )?(?:weiter"
        r"|voran)|öffnet (?:\w+ ){0,2}türen|(?:erfolgreicher|effektiver|produktiver|souveräner)|"
        r"(?:du wirst|sie werden|wirst du|werden sie) (?:\w+ ){0,3}(?:nie|immer|sicher|garantiert|meistern"
        r"|beherrschen|erfolgreich|besser)\w*|nachweislich|im handumdrehen|nie wieder",
        "fr": r"fera (?:gagner|progresser|de vous)|c'est certain|ouvr(?:e|ent|ira) (?:des|les|\w+) portes"
        r"|portera ses fruits|plus (?:efficace|performante?|productive|productif|sereine?)s?|"
        r"(?:vous ne|tu ne) (?:\w+ ){1,2}plus jamais|vous (?:réussirez|deviendrez|maîtriserez|doublerez)"
        r"|tu (?:réussiras|deviendras|maîtriseras)|transformera|en un rien de temps",
        "es": r"(?:vas a|va a|vais a) (?:mejorar|ahorrar|conseguir|lograr|cambiar)|te lo agradecerá\w*|abr(?:e"
        r"|irá) (?:\w+ )?puertas|dará sus frutos|más (?:eficaz|productiv[oa]|eficiente|exitos[oa])|"
        r"(?:lograrás|conseguirás|dominarás|te convertirás|serás capaz|duplicarás)|nunca más|transformará"
        r"|en un abrir y cerrar de ojos|éxito asegurado",
    },
    "evidence": {
        "en": r"(?:studies|research|experts|science|data) (?:show|shows|say|says|prove|proves|agree|suggest)"
        r"|scientifically|award[- ]winning|industry[- ]leading|best[- ]in[- ]class",
        "de": r"(?:studien|forschung|untersuchungen|expert\w+) (?:zeig\w*|beleg\w*|beweis\w*|sag\w*)"
        r"|wissenschaftlich|preisgekrönt\w*|erwiesenermaßen",
        "fr": r"(?:les |des )?(?:études|recherches|experts) (?:montrent|prouvent|démontrent|le disent)"
        r"|scientifiquement|primée?s?|il est prouvé",
        "es": r"(?:los |las )?(?:estudios|investigaciones|expertos) (?:demuestran|muestran|dicen|prueban)"
        r"|científicamente|está demostrado|galardonad\w*",
    },
    "price": {
        "en": r"free of charge|for free|at no cost|free lunch|complimentary",
        "de": r"kostenlos\w*|gratis|kostenfrei\w*", "fr": r"gratuit\w*|offerte?", "es": r"gratis|gratuit\w*|sin coste",
    },
})  # fmt: skip


@check("promises", languages=_SAID.languages)
def promises(look: Look) -> Iterator[Finding]:
    """A promise, a duty, a consequence or a claim that the facts do not make."""
    made = _SAID.ideas(look.facts)
    for idea, place in _SAID.find(look.prose, look.languages):
        if idea not in made:
            detail = f"the facts make no such statement ({idea}); leave it out, or say only what the brief says"
            yield Finding("promises", "hard", detail, quoted(place[0]))

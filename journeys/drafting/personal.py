"""Whether a value of `per` says who the learner is whose value it is: it is told to the writer, who is never told
that. Pure.

The compiler refuses a `per` that reads such a field (`is_personal`): of the profile, an id that an event brings of her
or of the position that she holds, and the entry key, which is mostly made of one. What many share is told: a
department, a team, a course. A name or an id also reaches it on other ways: in an attribute, a note of an event, a
variable that a step sets. So each value is compared with what her own profile, the ids in her entry and, before a
text is ordered, her manager's profile say. Who is called as a department is orders no text for it, and gets the one
that others have ordered.

Both sides are made alike first (compatible forms, case, marks above and below letters, what nobody sees), and then
looked through for

    any field            as it stands, as a word of its own (in scripts that set no spaces: anywhere)
    the names            each part of two letters or more (of one, in scripts that set no spaces: as a word of its
                         own) but particles (`van`, `de`) and numbers, the parts written as one word, given and
                         family name written as one word; also with an `s` behind
    the phone            its last seven digits, however they are grouped
    fields with an `@`   what stands before it, from five characters on
    any address          hers or not

Not found are names of others than her and her manager, short forms (`Annie`), other transcriptions (`Mueller` for
`Müller`), and a name of one letter within a longer word. What is longer than `LONGEST` is not looked through: so long a
text is a note, and nothing is ordered for it.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from journeys.drafting.order import UNSEEN
from journeys.events import Json
from journeys.expressions import Facts

FIELDS = ("id", "given_name", "family_name", "email", "phone", "manager", "slack_id", "teams_id")
"""Fields of the profile that say who she is, or where she is reached: no writer is told their values."""

IDS = ("position_id", "employee_id", "learner_id", "manager_id", "person_id", "user_id", "worker_id")
"""Fields of events, and attributes, that are ids of a person or of the position that one holds: the canonical one, and
what other systems call theirs.
"""

_OURS = ("enrolment", "delivery")
"""Fields of events that are ids which we give: each belongs to one learner."""

LONGEST = 200
"""A value of more characters is told to no writer."""

_LONGEST_OWN = 2 * LONGEST
"""So much of a field of hers is compared: more than a value can hold."""

_ADDRESS = re.compile(r"[^\s@<>]@[^\s@<>]+\.\w")  # each run is read once, whatever stands in it

_LEAST = {"id": 4, "manager": 4, **dict.fromkeys(IDS, 4)}
_LEAST_OTHERWISE = 2
"""What is shorter says nothing within a longer value: an id `12` is not meant by `Ward 12`."""

_LEAST_PHONE, _LAST_DIGITS = 6, 7
"""A number of fewer digits is no phone; what stands before its last ones (country, area) is written in many ways."""

_LEAST_BEFORE_AT = 5

_NAMES = ("given_name", "family_name")

_PARTICLES = frozenset({
    "af", "al", "ap", "as", "auf", "aus", "av", "bin", "bint", "da", "dal", "dalla", "das", "de", "dei", "del",
    "della", "den", "der", "des", "di", "do", "dos", "du", "el", "ibn", "in", "la", "las", "le", "les", "lo", "los",
    "of", "op", "ten", "ter", "the", "to", "tot", "und", "van", "vom", "von", "zu", "zum", "zur",
})  # fmt: skip
"""Parts of names that stand in names of departments as well."""

_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3005-\u3007\u3040-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of scripts in which no space, or a word behind it without one, ends a name: Thai, Lao, Tibetan, Burmese,
Khmer, Japanese, Chinese, Korean.
"""

_IGNORABLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")
"""Letters and marks that print nothing."""


def is_personal(path: str) -> bool:
    """Whether what is read at this path (`entry.data.course`) says who somebody is: a field of the profile or of the
    event that gave it, an id, the entry key; or all of the learner or of the entry.
    """
    if path in ("learner", "entry", "entry.key", "entry.data"):
        return True
    root, *parts = path.removeprefix("entry.data.").removeprefix("learner.").split(".")
    is_ours = root in _OURS and path.startswith("entry.data.")
    return root in FIELDS or is_ours or not set(IDS).isdisjoint((root, *parts))


def personal_in(value: str, facts: Facts, *, manager: Mapping[str, Json] | None = None) -> str | None:
    """What of hers stands in the value, as `learner.family_name`, or of her manager (`manager` is that profile), or
    that an address does, or that it is longer than any that is looked through; None where nothing does. Quick whatever
    stands in the value and in a profile.
    """
    if len(value) > LONGEST:
        return f"a text of more than {LONGEST} characters"
    return _of_whom(_alike(value), facts, manager)


def named_in(text: str, facts: Facts, *, manager: Mapping[str, Json] | None = None) -> str | None:
    """The same of what a person wrote, however long it is."""
    return _of_whom(_alike(text, most=len(text)), facts, manager)


def _of_whom(said: str, facts: Facts, manager: Mapping[str, Json] | None) -> str | None:
    digits = _digits(said)
    own = _field_in(said, digits, facts.learner)
    if own is not None:
        return f"learner.{own}"
    for path, name, id_ in _ids_beside(facts):
        if _says(said, digits, name, _alike(id_)):
            return path
    theirs = None if manager is None else _field_in(said, digits, manager)
    if theirs is not None:
        return f"the {theirs} of learner.manager"
    return "an address" if _ADDRESS.search(said) else None


def _field_in(said: str, digits: str, profile: Mapping[str, Json]) -> str | None:
    """The field of a profile that stands in what is said."""
    for name in FIELDS:
        own = profile.get(name)
        if isinstance(own, str) and _says(said, digits, name, _alike(own)):
            return name
    return "family_name" if _is_written_as_one(said, profile) else None


def _ids_beside(facts: Facts) -> Iterator[tuple[str, str, str]]:
    """The ids among her attributes, and those that the event brought with which she entered: path, name, id."""
    for of, there in (("learner.attributes", facts.learner.get("attributes")), ("entry.data", facts.entry.get("data"))):
        if not isinstance(there, dict):
            continue
        for name in IDS:
            own = there.get(name)
            if isinstance(own, str | int):
                yield f"{of}.{name}", name, str(own)


def _says(said: str, digits: str, name: str, own: str) -> bool:
    """Whether a field of hers stands in what is said, both made alike."""
    if not own:
        return False
    if said == own or (len(own) >= _LEAST.get(name, _LEAST_OTHERWISE) and _stands_in(own, said)):
        return True
    if name in _NAMES:
        return any(_is_named(part, said) for part in _telling_parts(own))
    if name == "phone":
        return _is_called(_digits(own), digits)
    before, at, _ = own.partition("@")
    before = before.partition("+")[0]
    return bool(at) and len(before) >= _LEAST_BEFORE_AT and _stands_in(before, said)


_PHONE = re.compile(r"(?<![\w.,-])(?:\+|\(?0)?\d[\d\s()./-]{4,}\d(?!\w)")
_NO_PHONE = re.compile(r"\d{4}-\d\d-\d\d|\d\d?[./-]\s?\d\d?[./-]\s?\d{4}|\d{4}\s?[-/]\s?\d{4}|\d{1,3}(?:[ .]\d{3})+")
_OWN_ID = re.compile(r"\b(?:ans|dlv|enr|lrn)-[0-9a-f]{8,}")
_CORE = re.compile(r"\w(?:\S*\w)?")
_WORD = re.compile(r"\w(?:[\w.-]*\w)?")
_LEAST_ID, _LEAST_NUMBER = 3, 4
"""What is shorter is no id that anybody looks for: `2`, `100 words`."""

_JOINTS = (" ", ".", "_", "-")
"""What may stand between two names in an id."""


def reached_in(text: str) -> str | None:
    """What stands in a text by which somebody is reached or known, whoever it is: `an e-mail address`, `a telephone
    number`, `an id`; None where nothing does. Dates, years and amounts are no telephone numbers.
    """
    said = _alike(text, most=len(text))
    if _ADDRESS.search(said):
        return "an e-mail address"
    if _OWN_ID.search(said):
        return "an id"
    numbers = (found[0] for found in _PHONE.finditer(said))
    is_phone = any(len(_digits(one)) >= _LAST_DIGITS and not _NO_PHONE.fullmatch(one) for one in numbers)
    return "a telephone number" if is_phone else None


def may_be_ids(text: str) -> Mapping[str, int]:
    """What in a text may be an id which a source gave to a learner, and which of its words that is (from 1): only the
    store can tell. Any word, as it stands, in small letters and in capitals; and what two words may be joined to:
    `ada.okafor` where `Ada Okafor` stands. In a thousand characters there are some four thousand at most.
    """
    found: dict[str, int] = {}
    before = ""
    for number, token in enumerate(UNSEEN.sub("", text).split(), start=1):
        core = _CORE.search(token)
        for word in (token, core[0] if core else "", *_WORD.findall(token)):
            if len(word) >= (_LEAST_NUMBER if word.isdecimal() else _LEAST_ID):
                for spelt in (word, word.lower(), word.upper()):
                    found.setdefault(spelt, number)
        if core and before:
            for joined in (before + joint + core[0] for joint in _JOINTS):
                for spelt in (joined, joined.lower()):
                    found.setdefault(spelt, number - 1)
        before = core[0] if core else ""
    return found


# --- names --------------------------------------------------------------------------------------------------------


def _telling_parts(own: str) -> Iterator[str]:
    """Of a name: the parts that are a name by themselves, and all of them written as one word."""
    parts = _parts(own)
    yield from (part for part in dict.fromkeys(parts) if part not in _PARTICLES and not part.isnumeric())
    yield "".join(parts)


def _is_written_as_one(said: str, profile: Mapping[str, Json]) -> bool:
    """Whether the whole name stands there without a space, whichever comes first."""
    names = [profile.get(name) for name in _NAMES]
    given, family = ("".join(_parts(_alike(own))) if isinstance(own, str) else "" for own in names)
    return bool(given and family) and (_is_named(given + family, said) or _is_named(family + given, said))


def _is_named(own: str, said: str) -> bool:
    is_long = len(own) >= _LEAST_OTHERWISE or _WITHOUT_SPACES.search(own) is not None
    return is_long and _stands_in(own, said, or_with="s")


def _parts(own: str) -> list[str]:
    return "".join(character if _is_of_a_word(character) else " " for character in own).split()


# --- phones -------------------------------------------------------------------------------------------------------


def _is_called(own: str, digits: str) -> bool:
    return len(own) >= _LEAST_PHONE and own[-_LAST_DIGITS:] in digits


def _digits(text: str) -> str:
    return "".join(str(unicodedata.digit(character)) for character in text if character.isdigit())


# --- texts --------------------------------------------------------------------------------------------------------


def _alike(text: str, *, most: int = _LONGEST_OWN) -> str:
    """The text as any other that reads the same; what is longer than `most` is cut."""
    seen = UNSEEN.sub("", text.strip()[:most])
    if not seen.isascii():
        plain = unicodedata.normalize("NFKD", seen)
        kept = (_plain(character) for character in plain if not unicodedata.combining(character))
        seen = unicodedata.normalize("NFKC", "".join(kept).casefold())
    return " ".join(seen.casefold().split())


def _plain(character: str) -> str:
    """The character, a plain hyphen for any dash, and nothing for what prints nothing."""
    category = unicodedata.category(character)
    if category == "Pd":
        return "-"
    is_unseen = (category.startswith("C") and not character.isspace()) or character in _IGNORABLE
    return "" if is_unseen or "\ufe00" <= character <= "\ufe0f" else character


def _stands_in(own: str, said: str, *, or_with: str = "") -> bool:
    """As a word of its own, or several; anywhere where its script sets no spaces, from two characters on."""
    if len(own) >= _LEAST_OTHERWISE and _WITHOUT_SPACES.search(own):
        return own in said
    at = said.find(own)
    while at >= 0:
        end = at + len(own)
        is_end = _is_edge(said, end) or (or_with and said.startswith(or_with, end) and _is_edge(said, end + 1))
        if is_end and _is_edge(said, at - 1):
            return True
        at = said.find(own, at + 1)
    return False


def _is_edge(text: str, at: int) -> bool:
    """Whether no letter and no digit stands there; `_` is none."""
    return not 0 <= at < len(text) or not text[at].isalnum()


def _is_of_a_word(character: str) -> bool:
    """Letters and digits, and the marks that some scripts write their vowels with."""
    return character.isalnum() or unicodedata.category(character).startswith("M")

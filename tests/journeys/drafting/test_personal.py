"""What a value of `per` says of the learner whose value it is."""

import unicodedata
from typing import Literal

import pytest

from journeys.drafting.personal import LONGEST, may_be_ids, named_in, personal_in, reached_in
from journeys.expressions import Facts

ANNA = Facts(
    learner={
        "id": "emp-4711", "given_name": "Anna", "family_name": "van der Berg", "email": "anna@example.org",
        "phone": "+436601234567", "manager": "emp-0001", "slack_id": "U024BE7LH", "teams_id": None, "role": "Nurse",
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("Anna", "learner.given_name"),
        ("for anna, who begins", "learner.given_name"),
        ("Ask Van der Berg", "learner.family_name"),
        ("emp-4711", "learner.id"),
        ("of emp-0001's team", "learner.manager"),
        ("ANNA@EXAMPLE.ORG", "learner.given_name"),
        ("call +43 660 1234567", "learner.phone"),
        ("<@U024BE7LH>", "learner.slack_id"),
        ("write to somebody@example.org", "an address"),
    ],
)
def test_what_says_who_she_is(value: str, field: str) -> None:
    """However it is written, and whatever stands around it."""
    assert field == personal_in(value, ANNA)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("pos-0815", "entry.data.position_id"),
        ("for POS-0815 alone", "entry.data.position_id"),
        ("Ward 471147", "entry.data.employee_id"),
        ("u-92", "learner.attributes.user_id"),
    ],
)
def test_an_id_of_her_entry_says_who_she_is(value: str, path: str) -> None:
    """Of a person or of a position, among the attributes and in the event; on whatever way it came into the value."""
    of = Facts(
        learner={"attributes": {"user_id": "u-92", "ward": "W-7"}},
        entry={"key": "MGR-101", "data": {"position_id": "pos-0815", "employee_id": 471147, "course": "MGR-101"}},
    )
    assert path == personal_in(value, of)
    assert [None] * 3 == [personal_in(shared, of) for shared in ("MGR-101", "W-7", "ward u-92x")]


@pytest.mark.parametrize(
    "value", ["Nurse", "Annabelle's ward", "emp-47110", "123456", "bed 12 @ ward 3", "", "véhicule"]
)
def test_what_says_nothing_of_her(value: str) -> None:
    """Neither a part of a word nor a part of a number."""
    assert personal_in(value, ANNA) is None


def test_of_whom_nothing_is_known_nothing_is_said() -> None:
    """Also where a name is empty, or one letter."""
    of = Facts(learner={"id": "12", "given_name": "", "family_name": "A"})
    assert personal_in("A Nurse of ward 12", of) is None
    assert "learner.id" == personal_in("12", of)


SPELLINGS = [
    ({"given_name": "Ada Maria"}, "Ada's team", "given_name"),
    ({"given_name": "Ada"}, "Ada\u2019s team", "given_name"),
    ({"given_name": "Ada"}, "Adas Team", "given_name"),
    ({"given_name": "Jean-Luc"}, "Team Luc", "given_name"),
    ({"given_name": "Jean-Luc"}, "Team Jeanluc", "given_name"),
    ({"given_name": "Jean-Luc"}, "Team Jean\u2011Luc", "given_name"),
    ({"family_name": "García Márquez"}, "Sr. García, Ventas", "family_name"),
    ({"family_name": "García"}, "Sr. Garcia, Ventas", "family_name"),
    ({"family_name": "Müller-Lüdenscheidt"}, "Lüdenscheidt team", "family_name"),
    ({"family_name": "O'Brien"}, "OBrien and others", "family_name"),
    ({"family_name": "van der Berg"}, "the Berg people", "family_name"),
    ({"family_name": "Groß"}, "GROSS & CO", "family_name"),
    ({"family_name": "Lovelace"}, "team_lovelace", "family_name"),
    ({"family_name": "Lovelace"}, "lovelace_team", "family_name"),
    ({"family_name": "Lovelace"}, "Love\u00adlace", "family_name"),
    ({"family_name": "Lovelace"}, "Love\u200clace's", "family_name"),
    ({"family_name": "Love\u200blace"}, "Lovelace's", "family_name"),
    ({"family_name": "Lovelace"}, "\uff2c\uff4f\uff56\uff45\uff4c\uff41\uff43\uff45", "family_name"),
    ({"family_name": "Lovelace", "given_name": "Ada"}, "adalovelace", "family_name"),
    ({"family_name": "Lovelace", "given_name": "Ada"}, "the LovelaceAda group", "family_name"),
    ({"family_name": "田中"}, "田中さんの部署", "family_name"),
    ({"family_name": "김", "given_name": "민수"}, "민수의 팀", "given_name"),
    ({"family_name": "김"}, "김 팀장", "family_name"),
    ({"family_name": "王", "given_name": "伟"}, "王伟的团队", "family_name"),
    ({"given_name": "สมชาย"}, "ทีมสมชายขาย", "given_name"),
    ({"phone": "+49 170 1234567"}, "0170 1234567", "phone"),
    ({"phone": "+49 170 1234567"}, "(0170) 12-34-567", "phone"),
    ({"phone": "+49 170 1234567"}, "\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "phone"),
    ({"email": "ada.lovelace@example.org"}, "group of ada.lovelace", "email"),
    ({"email": "al1815+hr@example.org"}, "al1815", "email"),
    ({"id": "al1815@example.org"}, "AL1815's desk", "id"),
]
"""What her profile says, a value, and the field that is found in it."""


@pytest.mark.parametrize(("profile", "value", "field"), SPELLINGS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_in_any_ordinary_spelling(
    profile: dict[str, str], value: str, field: str, form: Literal["NFC", "NFD"]
) -> None:
    """Part of it, inflected, without its marks, run together, with what nobody sees, composed or not."""
    of = Facts(learner={**profile})
    assert f"learner.{field}" == personal_in(unicodedata.normalize(form, value), of)


@pytest.mark.parametrize(
    ("profile", "value"),
    [
        ({"family_name": "van der Berg"}, "Der Vertrieb van Antwerpen"),
        ({"given_name": "María de la Luz"}, "Jefe de la planta"),
        ({"family_name": "Berg"}, "Bergen"),
        ({"given_name": "Ada", "family_name": "King"}, "Canada, Parking"),
        ({"given_name": "Ada M."}, "M. ward"),
        ({"given_name": "Trainee 12"}, "Ward 12"),
        ({"family_name": "王"}, "国王大道"),
        ({"family_name": "田中"}, "田辺中央"),
        ({"phone": "+49 170 1234567"}, "Site 234567"),
        ({"phone": "12345"}, "2026-123456"),
        ({"email": "info@example.org"}, "info desk"),
        ({"email": "emma.k@example.org"}, "Emma"),
    ],
)
def test_what_only_looks_like_hers_is_told(profile: dict[str, str], value: str) -> None:
    """Particles, letters, parts of longer words, a few digits, short words before an `@`."""
    assert personal_in(value, Facts(learner={**profile})) is None


def test_a_note_is_no_value() -> None:
    """It is not looked through, so nobody can say whom it names."""
    nobody = Facts()
    assert personal_in("x" * LONGEST, nobody) is None
    assert f"a text of more than {LONGEST} characters" == personal_in("x" * (LONGEST + 1), nobody)


_MANY = 2**20


@pytest.mark.timeout(60)
@pytest.mark.parametrize("value", ["x" * _MANY, "@" * _MANY, "x@" * _MANY, "x@" + "." * _MANY, "1" * _MANY])
def test_a_long_value_takes_no_time(value: str) -> None:
    """What a record may hold at the most, also where it is made to be looked through again and again."""
    assert personal_in(value, ANNA) is not None
    assert personal_in(value[:LONGEST], ANNA) in (None, "an address")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("own", ["x" * _MANY, "a " * _MANY, "\u0301\u0323" * _MANY, "@" * _MANY, "\ufdfa" * _MANY])
def test_a_long_name_takes_no_time(own: str) -> None:
    """Whatever a system says somebody is called, and whatever is said of her."""
    of = Facts(learner=dict.fromkeys(("id", "given_name", "family_name", "email", "phone", "manager"), own))
    for value in ("Nurse", "b" * LONGEST, "\ufdfb" * LONGEST, "e\u0301\u0323" * (LONGEST // 3)):
        assert personal_in(value, of) is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Ask somebody@example.org first.", "an e-mail address"),
        ("Call +43 660 1234567, not us", "a telephone number"),
        ("her number is 0660/123 45 67", "a telephone number"),
        ("wrong for lrn-0123456789abcdef", "an id"),
        ("too long", None),
        ("The course ends on 2026-03-02, not on 2. 3. 2026.", None),
        ("It costs 1 500 000, since 2024-2026", None),
        ("5 days, 10 minutes, at 09:30", None),
    ],
)
def test_where_somebody_is_reached_is_told_whoever_it_is(text: str, what: str | None) -> None:
    """Dates, years and amounts are no telephone numbers."""
    assert what == reached_in(text)


@pytest.mark.parametrize(
    ("text", "id_", "number"),
    [
        ("Not for emp-4711. Nor for 1042, in 5 days", "emp-4711", 3),
        ("Not for emp-4711. Nor for 1042, in 5 days", "1042", 6),
        ("ask lena", "lena", 2),
        ("Lena's words", "lena", 1),
        ("That is (ada.okafor) again", "ada.okafor", 3),
        ("as emp-x wants it", "EMP-X", 2),
        ("as «ADA_O» wants it", "ada_o", 2),
        ("not urn:hr:lena!", "urn:hr:lena", 2),
        ("of #47a", "#47a", 2),
        ("Ada Okafor is on leave", "ada.okafor", 1),
        ("so says Ada Okafor.", "Ada-Okafor", 3),
        ("so says Ada Okafor.", "ada okafor", 3),
        ("le\u200bna again", "lena", 1),
    ],
)
def test_any_word_may_be_an_id(text: str, id_: str, number: int) -> None:
    """Whether it is one, only the store knows: with a digit or without, in small letters, joined of two names."""
    assert number == may_be_ids(text)[id_]


def test_short_words_and_numbers_are_no_ids() -> None:
    """Nobody is called as one counts."""
    assert {} == may_be_ids("5")
    assert {"in", "5", "100", "to"}.isdisjoint(may_be_ids("in 5 to 100"))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["a " * 500, "ab." * 333, "a" + "-" * 999, "." * 1000, "ab cd " * 166])
def test_of_a_reason_there_are_not_too_many(text: str) -> None:
    """All are looked up at once."""
    assert len(may_be_ids(text)) < 4500


def test_where_somebody_is_reached_is_told_to_the_end_of_a_text() -> None:
    """A reason is longer than any value."""
    assert "an e-mail address" == reached_in("too long, " * 90 + "ask ada@example.org")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("Team Grace", "the given_name of learner.manager"),
        ("hopper's people", "the family_name of learner.manager"),
        ("gracehopper", "the family_name of learner.manager"),
        ("as grace.hopper says", "the email of learner.manager"),
        ("Anna and Grace", "learner.given_name"),
        ("Gracefully", None),
        ("Nurse", None),
    ],
)
def test_her_manager_is_named_too(value: str, what: str | None) -> None:
    """A team is called as who leads it."""
    manager = {"given_name": "Grace", "family_name": "Hopper", "email": "grace.hopper@example.org", "role": "Nurse"}
    if what == "the email of learner.manager":
        manager |= {"given_name": "G", "family_name": "H"}
    assert what == personal_in(value, ANNA, manager=manager)
    assert what == named_in(value, ANNA, manager=manager)
    assert what == named_in("It is too long. " * 60 + value, ANNA, manager=manager)

"""What the checks say of drafts: over the corpora, over any text at all, and how long they take."""

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docs import draft_checks
from docs.draft_checks import Sample
from journeys.drafting.checks import CHECKS
from journeys.drafting.checks.base import Look, check
from journeys.drafting.findings import Finding, House, agree, finding_from_json, has_hard, look_at
from journeys.drafting.order import COVERAGE, DraftOrder, DraftText
from journeys.program import Draft, Expression, Link, Wording

BAD, GOOD, MISSED = draft_checks.bad(), draft_checks.good(), draft_checks.missed()


def order(
    *,
    brief: str = "Say that the course is there.",
    tone: str | None = None,
    max_words: int | None = None,
    language: str | None = "en",
    value: str | None = None,
    uses: tuple[str, ...] = (),
    per: str | None = None,
    channels: tuple[str, ...] = ("email",),
    fallback: Wording = Wording("Your course", "The course is there."),
) -> DraftOrder:
    """An order with little in it."""
    draft = Draft(brief, tone, max_words, uses, None if per is None else Expression(per))
    return DraftOrder("a-journey", "hello", language, value, draft, fallback, channels)


def told(
    body: str, given: DraftOrder | None = None, *, subject: str = "Your course", house: House = House()
) -> set[str]:
    """The checks that say something of a text."""
    return {finding.check for finding in look_at(DraftText(subject, body), given or order(), house)}


@pytest.mark.parametrize(
    "fallback", [Wording("fa", "fallback a"), Wording("Hello", "Hello there"), Wording(None, "Plain.")]
)
def test_from_a_few_words_no_language_is_told(fallback: Wording) -> None:
    """The detector guesses Catalan and German; no good text is to be sent back for that."""
    assert "language" not in told(
        "The course is there for you whenever you like.", order(language=None, fallback=fallback)
    )


def test_from_the_messages_own_words_its_language_is_told() -> None:
    """Where no language is named, and these are enough to tell."""
    of = order(language=None, fallback=Wording("Your course", "The course is there."))
    assert "language" in told("Der Kurs ist jederzeit für Sie da, wann immer Sie möchten.", of)


# --- the corpora --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", BAD, ids=lambda sample: sample.name)
def test_a_bad_draft_gives_the_finding_it_is_there_for(sample: Sample) -> None:
    """Each fault of it is found by the check that is for it."""
    assert set(sample.faults) <= {finding.check for finding in sample.findings()}


@pytest.mark.parametrize("sample", GOOD, ids=lambda sample: sample.name)
def test_a_good_draft_passes(sample: Sample) -> None:
    """Nothing in it sends it back to the model."""
    assert [] == [finding for finding in sample.findings() if finding.is_hard]


@pytest.mark.parametrize("sample", MISSED, ids=lambda sample: sample.name)
def test_what_is_said_to_be_missed_is_missed(sample: Sample) -> None:
    """A fault that is found by now belongs among the bad drafts."""
    assert not set(sample.faults) & {finding.check for finding in sample.findings()}


def test_the_corpora_are_large_enough() -> None:
    """Sixty bad ones and sixty good ones, at least five for each check, in four languages."""
    counts = {name: sum(name in sample.faults for sample in BAD) for name in CHECKS}
    assert (True, True) == (len(BAD) >= 60, len(GOOD) >= 60)
    assert {} == {name: count for name, count in counts.items() if count < 5}
    assert {"en", "de", "fr", "es"} == {s.order.language for s in BAD} == {s.order.language for s in GOOD}


def test_languages_that_disagree_are_told() -> None:
    """Each set gives the finding it is there for, and those known to be missed give none."""
    sets = draft_checks.disagreeing()
    assert [seen for _, seen in sets] == [bool(agree(texts)) for texts, _ in sets]
    assert sum(seen for _, seen in sets) >= 5


def test_languages_that_agree_are_left_alone() -> None:
    """Ten minutes are zehn Minuten and 10 Minuten."""
    assert [] == [finding for texts in draft_checks.agreeing() for finding in agree(texts)]


# --- what facts allow ---------------------------------------------------------------------------------------------


def test_what_the_brief_says_in_one_language_may_be_said_in_another() -> None:
    """A number, a day, a duty of the brief is no invention in the text."""
    brief = "The course is mandatory, takes twenty-one minutes and closes on Friday."
    wording = Wording("Der Kurs", "Der Kurs ist da.")
    body = "Der Kurs ist verpflichtend, dauert 21 Minuten und endet am Freitag."
    assert set() == told(body, order(brief=brief, language="de", fallback=wording), subject="Der Kurs")
    assert {"promises", "numbers", "dates"} == told(body, order(language="de", fallback=wording), subject="Der Kurs")


def test_the_value_of_per_is_a_fact_unless_it_is_an_id() -> None:
    """A role may be named; where each learner has a text of her own, the value is her id."""
    body = "The course is there for the Floor Coordinator in you."
    assert set() == told(body, order(value="floor coordinator", per="learner.role"))
    assert {"names"} == told(body, order(value="floor coordinator", per="learner.id"))


def test_no_brief_excuses_pressure() -> None:
    """What the brief says may be said, but for the last chance."""
    assert {"pressure"} == told("The course is there. It is your last chance.", order(brief="Say: your last chance."))


def test_what_is_denied_does_not_press() -> None:
    """Nothing is urgent here, and what is urgent is told."""
    assert set() == told("The course is there, and nothing about it is urgent.")
    assert {"pressure"} == told("The course is there. It is urgent.")
    assert set() == told("The course is there. You can start right away.")


def test_an_end_that_the_brief_names_may_be_said() -> None:
    """A certificate that expires does so."""
    body = "The certificate expires soon. The course is there."
    assert {"pressure", "promises"} == told(body)
    assert set() == told(body, order(brief="Say that the certificate expires soon."))


def test_the_firm_forbids_words_in_any_case() -> None:
    """As whole words, over a break of the line as well."""
    house = House(("low-hanging fruit", "guys"))
    assert "tone" in told("The course is there, GUYS.", house=house)
    assert {"tone"} == told("The course is a low-hanging\nfruit.", house=house)
    assert set() == told("The course is there for disguyses.", house=house)


def test_a_placeholder_that_the_brief_names_must_be_there() -> None:
    """With braces or by its path."""
    for brief in ("Say {{ entry.data.starts_on | date }}.", "Name entry.data.starts_on in it."):
        given = order(brief=brief, uses=("entry.data.starts_on",))
        assert {"placeholders"} == told("The course is there.", given)
        assert set() == told("The course is there from {{ entry.data.starts_on | date }}.", given)


def test_a_link_is_wanted_where_the_fallback_has_it_in_its_body() -> None:
    """Elsewhere the channel prints it."""
    link = Link("Start", "https://learn.example.com")
    assert set() == told("The course is there.", order(fallback=Wording("Your course", "It is there.", link)))
    given = order(fallback=Wording("Your course", "It is there. {{ link }}", link))
    assert {"placeholders"} == told("The course is there.", given)


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("The course is th\u200bere. La\u200bst chance.", "pressure"),
        ("The course is there. **Last** chance.", "pressure"),
        ("The course is there: ｈｔｔｐｓ://evil.example/x", "links"),
        ("The course takes １５ minutes.", "numbers"),
        ("The course is there. {{ config.items() }}", "placeholders"),
        ("The course is there. {{ learner.email }}", "placeholders"),
        ("The course is there. <script>alert(1)</script>", "markup"),
        ("The course is there. &lt;b&gt;", "markup"),
        ("The course is there. javascript:alert(1)", "links"),
        ("The course is there: portal\u200b.top", "links"),
        ("The course is there: portal\ufe0f.top", "links"),
        ("The course is there: portal．top", "links"),
        ("The course is there: portal｡top", "links"),
        ("The course is there: portal\\.top", "links"),
        ("The course is there: portal.**top**", "links"),
        ("The course is there: https\\:\\\\portal.pdf", "links"),
        ("The course is there: hxxp://portal.pdf", "links"),
        ("The course is there: //portal.pdf", "links"),
        ("The course is there: slack://portal", "links"),
        ("The course is there—portal.top—for you.", "links"),
        ("The course is there: http:10.1.2.3", "links"),
    ],
)
def test_a_disguise_does_not_help(body: str, check: str) -> None:
    """What nobody sees is taken off, and letters of full width are letters, where the text still says it."""
    assert check in told(body)


LINKED = order(
    uses=("learner.role",),
    fallback=Wording("Your course", "It is there.", Link("Start", "https://learn.example.com")),
)


@pytest.mark.parametrize(
    "written",
    [
        *("{{ link }}@portal.cyou/login", "{{ link }}.portal.cyou", "{{ link }}。portal", "portal/{{ link }}"),
        *("x{{ link }}", "{{ link }}x", "{{ link }}/x", "{{ link }}?x", "{{ link }}{{ learner.role }}"),
        *("{{ link }}, {{link}}:80", "{{ link }}{{ link }}", "{{ link }}\u200b.portal", "{{ link }}*.portal*"),
        *("{{ link }}\\.portal", "https:{{ link }}", "{{ link }}).portal", "{{ link }}-Seite", "Start:{{ link }}"),
        *("({{ link }})x", "{{ link | lower }}.portal", "{{ learner.role }}@portal", "{{ learner.role }}.portal"),
        *("{{ learner.role }}/x", "{{ learner.role }}://x", "@{{ learner.role }}", "portal.{{ learner.role }}"),
        *("/{{ learner.role }}", "{{ learner.role }} (dot) portal", "{{ learner.role }}\u2060.portal"),
        *("{{ learner.role }}**.portal**", "{{ learner.role }}。portal"),
    ],
)
def test_a_placeholder_makes_no_address(written: str) -> None:
    """What touches a link leads elsewhere, and so may any placeholder with an address around it."""
    assert "links" in told(f"The course is there. {written}", LINKED)
    assert "links" in told("The course is there.", LINKED, subject=written)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "{{ link }}",
            "{{link}}",
            "{{ link }}.",
            "Start: {{ link }}!",
            "({{ link }})",
            "({{ link }}).",
            "({{ link }}.)",
        ),
        *("\n{{ link }}\n", '"{{ link }}".', "„{{ link }}“", "« {{ link }} »", "**{{ link }}**", "- {{ link }}"),
        *("Start：{{ link }}。", "{{ learner.role }}.", "For {{ learner.role }}s", "{{ learner.role }}: it is there"),
        *(
            "({{ learner.role }})",
            "{{ learner.role }}-course",
            "{{ learner.role }}\n.",
            "学習。{{ learner.role }}。公司",
        ),
    ],
)
def test_a_placeholder_by_itself_is_none(written: str) -> None:
    """White space, a bracket, a quotation mark or the end of a sentence may stand beside it."""
    assert "links" not in told(f"The course is there. {written}", LINKED)


def test_what_touches_a_link_is_quoted_as_it_was_written() -> None:
    """With the placeholders in it, of which there may be several."""
    found = look_at(DraftText("Your course", "For a {{ learner.role }}: x{{ link }} and {{  link}}.y"), LINKED)
    assert ["x{{ link }}", "{{ link}}.y"] == [finding.quote for finding in found if finding.check == "links"]


def test_half_an_answer_is_told() -> None:
    """Empty, of one word, cut off, or far too long."""
    for body in ("", " ", "Yes.", "The course is there and"):
        assert "length" in told(body)
    assert "length" in told("The course is there.", subject="")
    assert ("length",) == tuple(f.check for f in look_at(DraftText("x", "word " * 20_000), order()))


@pytest.mark.parametrize("channels", [("email",), ("webhook",), ()])
def test_a_mail_is_read_in_half_a_minute(channels: tuple[str, ...]) -> None:
    """120 words, or as many as the author asks for; a hard finding above that."""
    enough = "The course is there for you. " * 20
    more = f"{enough}Begin now and then."
    assert set() == told(enough, order(channels=channels))
    (finding,) = look_at(DraftText("Your course", more), order(channels=channels))
    assert ("length", True) == (finding.check, finding.is_hard)
    assert "the body has 124 words, at most 120 are wanted" in finding.detail
    assert set() == told(more, order(channels=channels, max_words=124))
    assert {"length"} == told(enough, order(channels=channels, max_words=119))


def test_where_no_language_is_named_it_is_the_fallbacks() -> None:
    """A German fallback wants a German text."""
    given = order(language=None, fallback=Wording("Dein Kurs", "Der Kurs ist noch da und wartet auf dich."))
    assert {"language"} == told("The course is still there and it waits for you.", given)


def test_a_language_that_cannot_be_told_is_not_judged() -> None:
    """Better no word than a wrong one."""
    assert "language" not in told("The course is there.", order(language="mi"))


@pytest.mark.parametrize("language", ["it", "it-CH", None])
def test_what_no_check_has_words_for_is_said_once(language: str | None) -> None:
    """An Italian text that presses, promises and names a day has no finding but one: who was not able to look."""
    body = (
        "Il corso è qui per voi. Affrettatevi, è la vostra ultima occasione: vi garantiamo il successo entro venerdì."
    )
    fallback = Wording("Il vostro corso", "Il corso è qui per voi, quando volete.")
    found = look_at(DraftText("Il vostro corso", body), order(language=language, fallback=fallback))
    assert [(COVERAGE, False)] == [(finding.check, finding.is_hard) for finding in found]
    assert "the language 'it'" in found[0].detail
    assert ": dates, emotion, names, numbers, pressure, promises, reading; " in found[0].detail


def test_a_check_that_has_the_words_is_not_named() -> None:
    """There is a formula for Swedish; a language that nobody can tell is not spoken of."""
    fallback = Wording("Din kurs", "Kursen är här för dig.")
    found = look_at(DraftText("Din kurs", "Kursen är här för dig."), order(language="sv", fallback=fallback))
    assert ["dates, emotion, names, numbers, pressure, promises"] == [
        finding.detail.partition(": ")[2].partition(";")[0] for finding in found
    ]
    assert () == look_at(DraftText("▢▢", "1 2 3."), order(language=None, fallback=Wording(None, "1 2 3.")))


def test_findings_survive_json() -> None:
    """What is stored is what is shown."""
    finding = Finding("tone", "soft", "say it otherwise", None)
    assert finding == finding_from_json(finding.to_json())
    assert (False, True) == (has_hard([finding]), has_hard([finding, Finding("tone", "hard", "x", "y")]))


def test_a_check_has_its_name_alone() -> None:
    """A second one of the same name is an error that names both files."""
    with pytest.raises(TypeError, match=r"'tone' is defined twice: in .*tone\.py and .*test_findings\.py"):
        check("tone")(lambda look: ())


# --- properties ---------------------------------------------------------------------------------------------------

_MARKS = ("{{", "}}", "{{ link }}", "{{ learner.role }}", "{%", "#}", "[", "](", "<", "|", "**", "```", "1.", "!")
_WORDS = ("Last chance", "you must", "zwölf", "treinta y dos", "Ada", "a.b.c", "¿", "ß", "İ", "𝟙", "ﬁ", "²", "٣")
_PIECES = st.sampled_from((*_MARKS, *_WORDS, "\n", " ", "\u0000", "\ud800", "\u202e"))
_TEXTS = st.one_of(
    st.text(max_size=400), st.lists(_PIECES, max_size=60).map("".join), st.lists(_PIECES, max_size=60).map(" ".join)
)
_TAGS = st.sampled_from([None, "en", "de-CH", "fr", "es", "sv", "mi", "", "x_y", "zh-Hant"])


@given(subject=_TEXTS, body=_TEXTS, brief=_TEXTS, tag=_TAGS, forbidden=st.lists(st.text(max_size=5), max_size=3))
@settings(max_examples=400, deadline=None)
def test_no_check_raises(subject: str, body: str, brief: str, tag: str | None, forbidden: list[str]) -> None:
    """Whatever a model answers, and whatever the brief says."""
    given_order = order(brief=brief, language=tag, channels=("email", "sms", "push"), uses=("learner.role",))
    found = look_at(DraftText(subject, body), given_order, House(tuple(forbidden)))
    assert all(finding.check in {*CHECKS, COVERAGE} for finding in found)
    assert sorted(found, key=lambda finding: not finding.is_hard) == [*found]


@given(texts=st.dictionaries(_TAGS, st.builds(DraftText, _TEXTS, _TEXTS), max_size=4))
@settings(max_examples=200, deadline=None)
def test_to_compare_languages_never_raises(texts: dict[str | None, DraftText]) -> None:
    """Whatever they are; and a text agrees with itself."""
    assert all(finding.is_hard for finding in agree(texts))
    for text in texts.values():
        assert () == agree({"en": text, "en-GB": text})


_ODD = (
    "{" * 3_000,
    "[" * 3_000,
    "a" * 3_500,
    "1 " * 500,
    "Aa " * 500,
    "\n" * 3_000,
    "| " * 500,
    "a-" * 500,
    "Ab" * 1_500,
    "{{ link }}x" * 300,
    "AI." * 1_100,
)
_PROSE = " ".join(sample.text.body for sample in GOOD if sample.order.language == "de")


@pytest.mark.parametrize("body", [" ".join(_PROSE.split()[:500]), *_ODD], ids=lambda body: body[:6].strip() or "lines")
@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_check_takes_less_than_five_milliseconds(name: str, body: str) -> None:
    """For 500 words, and for as many characters of the kind that patterns stumble over; the best of many tries."""
    look = Look(DraftText("Dein Kurs", body), order(language="de"), House(("guys",)))
    tries: list[float] = []
    for _ in range(12):
        begun = thread_time()
        list(CHECKS[name](look))
        tries.append(thread_time() - begun)
    assert min(tries) < 0.005

"""Which texts are ordered before anybody enters, and how many a journey lacks."""

from dataclasses import replace

from journeys.drafting.counting import Counts, Group, asked_for, count, expected
from journeys.drafting.expecting import MOST_VALUES, Expecting
from journeys.drafting.order import order_for, order_key
from journeys.expressions import Facts, learner_facts
from journeys.policy import DEFAULT_POLICY
from journeys.program import Draft, Expression, Message, Program, Wording
from tests.support.definitions import program_of, send

ROLE = Expression("learner.role", ("learner.role",))
BRITISH = Expression('learner.country == "GB"', ("learner.country",))


def program(per: Expression | None = ROLE, *, audience: Expression | None = BRITISH) -> Program:
    """A journey that sends a drafted message in two languages, twice, and a plain one."""
    drafted = Message(
        "hello", "Hello", "It waits", languages={"de": Wording("Hallo", "Er wartet")}, draft=Draft("Say it.", per=per)
    )
    nodes = [send("hello", then="send-plain"), send("plain", then="again"), replace(send("hello"), id="again")]
    made = program_of(nodes)
    return replace(made, audience=audience, messages={**made.messages, "hello": drafted})


def learners(*roles: str | None, country: str = "GB") -> list[Facts]:
    """Learners of these roles."""
    given = [{"country": country, **({} if role is None else {"role": role})} for role in roles]
    return [Facts(learner=learner_facts(profile, source_id=str(n))) for n, profile in enumerate(given)]


def expecting(of: Program) -> Expecting:
    """Of this program."""
    return Expecting(of, DEFAULT_POLICY)


def test_a_text_for_all_needs_no_learner() -> None:
    """One in each language, though two steps send it."""
    of = expecting(program(None))
    assert [(None, None), (None, "de")] == [(one.order.value, one.order.language) for one in of.for_all()]
    assert not of.needs_learners
    assert [] == of.for_all()


def test_each_value_is_told_once_in_every_language() -> None:
    """Over all learners that are looked at, in whatever portions."""
    of = expecting(program())
    assert [] == of.for_all()
    first = of.for_learners(learners("nurse", None, "nurse", "clerk"))
    second = of.for_learners(learners("clerk", "chef"))
    told = [(one.order.value, one.order.language) for one in (*first, *second)]
    assert [(value, language) for value in ("nurse", "clerk", "chef") for language in (None, "de")] == told


def test_who_may_not_enter_does_not_count() -> None:
    """And neither does anybody where nothing can be told of learners alone."""
    assert [] == expecting(program()).for_learners(learners("nurse", country="FR"))
    by_course = program(Expression("entry.data.course", ("entry.data.course",)), audience=None)
    assert [] == expecting(by_course).for_learners(learners("nurse"))


def test_a_text_for_one_learner_alone_is_not_ordered_ahead() -> None:
    """Also where the policy allows it."""
    of = Expecting(program(Expression("learner.id", ("learner.id",))), replace(DEFAULT_POLICY, drafts_per_learner=True))
    assert not of.needs_learners
    assert [] == of.for_all() == of.for_learners(learners("nurse"))


def test_there_is_a_bound() -> None:
    """More values than that are ordered when somebody has them."""
    of = expecting(program())
    told = of.for_learners(learners(*(f"role {number}" for number in range(MOST_VALUES + 10))))
    assert 2 * MOST_VALUES == len(told)
    assert not of.needs_learners


def texts(of: Program, state: str, number: int = 1, *, language: str | None = None, value: str | None = None) -> Group:
    """So many drafts that this program ordered."""
    order = order_for(of, "hello", language=language, value=value)
    assert order is not None
    return Group("hello", language, of.hash, state, number, value, order_key(order))


def test_texts_are_counted_by_their_state() -> None:
    """What was replaced or rejected is none any more."""
    of = program()
    groups = [
        texts(of, "approved", 2, value="a"), texts(of, "proposed", value="a"), texts(of, "replaced", value="a"),
        texts(of, "wanted", 5, value="b"), texts(of, "rejected", value="c"), texts(of, "failed", value="d"),
        texts(of, "approved", value="e", language="de"),
    ]  # fmt: skip
    assert Counts(wanted=5, proposed=1, approved=3, failed=1, missing=4) == count(groups, missing=4)


def test_a_text_for_all_is_expected_before_it_is_ordered() -> None:
    """It is known that it will be needed, in each language; a text by value is when somebody has that value."""
    of = program(None)
    assert {("hello", texts(of, "wanted", language=language).key) for language in (None, "de")} == set(expected(of))
    assert set() == set(expected(program()))


def test_texts_of_other_versions_are_not_asked_for() -> None:
    """Nor those of messages that are gone."""
    of = program(None)
    old = replace(of, messages={**of.messages, "hello": replace(of.messages["hello"], body="It waited")})
    own, gone = texts(of, "approved"), Group("bye", None, of.hash, "approved", 1, None, "0")
    assert [own] == list(asked_for(of, [own, texts(old, "approved"), gone]))


def test_texts_for_all_are_not_asked_for_where_each_value_has_its_own() -> None:
    """Nor the other way round, nor where the values are of something else, though all else stayed."""
    for_all, by_role = program(None), program()
    by_site = program(Expression("learner.site", ("learner.site",)))
    whole, nurses = texts(for_all, "approved"), texts(by_role, "approved", value="nurse")
    assert [whole] == list(asked_for(for_all, [whole, nurses]))
    assert [nurses] == list(asked_for(by_role, [whole, nurses]))
    assert [] == list(asked_for(by_site, [whole, nurses]))


def test_a_value_that_names_its_learner_is_told_when_another_has_it() -> None:
    """It is not ordered because of her, and does not stand in the way of whom it does not name."""
    named, other = (
        Facts(learner={"country": "GB", "role": "Baker", "family_name": name}) for name in ("Baker", "Lovelace")
    )
    of = expecting(program())
    assert [] == of.for_learners([named])
    assert ["Baker", "Baker"] == [one.order.value for one in of.for_learners([named, other, named])]


def test_a_value_that_names_her_manager_is_not_ordered_because_of_her() -> None:
    """Nor of anybody whom the same one leads; whoever has another manager, or one whom nobody knows, orders it."""
    of = expecting(program())
    grace, max_, nobody = (
        Facts(learner={"country": "GB", "role": "Team Grace", "manager": who}) for who in ("m-1", "m-2", "m-3")
    )
    managers = {"m-1": {"given_name": "Grace"}, "m-2": {"given_name": "Max"}}
    assert [] == of.for_learners([grace], managers)
    assert ["Team Grace"] * 2 == [one.order.value for one in of.for_learners([grace, max_, nobody], managers)]
    assert ["Team Grace"] * 2 == [one.order.value for one in expecting(program()).for_learners([nobody], managers)]

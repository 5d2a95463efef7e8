"""Chance is a hash: the same again, uniform, and independent from one question to the next."""

from collections import Counter

import pytest

from journeys.chance import arm_of, is_held_out, share_of

IDS = [f"lrn-{number:05}" for number in range(10_000)]

CHI_SQUARE_1 = 10.83
"""99.9th percentile with 1 degree of freedom."""
CHI_SQUARE_2 = 13.82
CHI_SQUARE_9 = 27.88
CHI_SQUARE_19 = 43.82


def chi_square(observed: dict[str, int], expected: dict[str, float]) -> float:
    """Pearson's statistic."""
    return sum((observed.get(name, 0) - number) ** 2 / number for name, number in expected.items())


def test_share_is_the_same_for_ever() -> None:
    """A share is fixed by its parts: these values were taken when it was written, and stand for enrolments that run."""
    assert [0.4492098695087551, 0.08653825171296925] == [share_of("a"), share_of("a", "b")]


def test_share_is_in_its_range_and_uniform() -> None:
    """Over 10,000 ids, each twentieth of [0, 1) gets its part."""
    shares = [share_of("first-weeks", id_) for id_ in IDS]
    observed = Counter(str(int(share * 20)) for share in shares)
    assert all(0 <= share < 1 for share in shares)
    assert chi_square(observed, {str(part): 500 for part in range(20)}) < CHI_SQUARE_19


def test_parts_do_not_run_together() -> None:
    """Two lists of parts that read alike when joined have shares of their own."""
    assert len({share_of("ab", "c"), share_of("a", "bc"), share_of("abc"), share_of("abc", "")}) == 4


def test_arms_get_their_weights() -> None:
    """Weights of 1, 2 and 1 give a quarter, a half and a quarter of 10,000 learners."""
    weights = {"question": 1, "tip": 2, "none": 1}
    observed = Counter(arm_of(weights, journey="first-weeks", split="opener", unit=id_)[0] for id_ in IDS)
    assert chi_square(observed, {"question": 2500, "tip": 5000, "none": 2500}) < CHI_SQUARE_2


def test_an_arm_comes_with_its_probability() -> None:
    """The probability that is stored with an arm is its weight over all weights."""
    assert arm_of({"only": 3, "never": 1e-300}, journey="j", split="s", unit="u") == ("only", 1.0)
    arm, share = arm_of({"a": 0.5, "b": 1.5}, journey="j", split="s", unit="u")
    assert share == {"a": 0.25, "b": 0.75}[arm]


def test_an_arm_without_weight_is_never_taken() -> None:
    """Weight 0 switches an arm off."""
    assert {arm_of({"off": 0, "on": 1}, journey="j", split="s", unit=id_) for id_ in IDS[:200]} == {("on", 1.0)}


def test_no_weight_at_all_is_refused() -> None:
    """Without a weight above 0 there is no arm to take."""
    with pytest.raises(ValueError, match="no arm has a weight above 0"):
        arm_of({"a": 0}, journey="j", split="s", unit="u")


def test_holdout_has_its_share() -> None:
    """A holdout of 10% holds a tenth of 10,000 learners, and 0 and 1 hold nobody and everybody."""
    held = sum(is_held_out(0.1, journey="first-weeks", learner=id_) for id_ in IDS)
    assert chi_square({"held": held, "treated": 10_000 - held}, {"held": 1000, "treated": 9000}) < CHI_SQUARE_1
    assert not any(is_held_out(0, journey="first-weeks", learner=id_) for id_ in IDS)
    assert all(is_held_out(1, journey="first-weeks", learner=id_) for id_ in IDS)


def test_a_greater_holdout_keeps_who_was_held_out() -> None:
    """Raising the share later adds learners and moves none of the others."""
    few = {id_ for id_ in IDS if is_held_out(0.05, journey="j", learner=id_)}
    more = {id_ for id_ in IDS if is_held_out(0.2, journey="j", learner=id_)}
    assert few < more


def test_chances_are_independent() -> None:
    """Who is held out of one journey says nothing of another journey, nor of the arm of a split."""
    pairs = Counter(
        f"{is_held_out(0.5, journey='one', learner=id_)} {is_held_out(0.5, journey='two', learner=id_)}" for id_ in IDS
    )
    arms = Counter(
        f"{is_held_out(0.5, journey='one', learner=id_)} "
        f"{arm_of({'a': 1, 'b': 1}, journey='one', split='s', unit=id_)[0]}"
        for id_ in IDS
    )
    assert chi_square(pairs, dict.fromkeys(("True True", "True False", "False True", "False False"), 2500.0)) < 16.27
    assert chi_square(arms, dict.fromkeys(("True a", "True b", "False a", "False b"), 2500.0)) < 16.27


def test_decisions_are_the_same_for_ever() -> None:
    """Neither the arm nor the holdout of a learner changes with a release: both stand for enrolments that run."""
    weights = {"a": 1, "b": 1, "c": 2}
    arms = [arm_of(weights, journey="first-weeks", split="opener", unit=id_)[0] for id_ in IDS[:8]]
    held = [id_ for id_ in IDS[:8] if is_held_out(0.3, journey="first-weeks", learner=id_)]
    assert ("ccacabcb", ["lrn-00003"]) == ("".join(arms), held)

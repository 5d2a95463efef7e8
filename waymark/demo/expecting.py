"""What the journey says must come of the story: the rehearsal of the same journey on the same events. Pure.

And, written by hand, what a person who has read the journey would say of each learner, so that the rehearsal and the
real performer cannot be wrong together without somebody noticing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.mail.wording import text_part
from journeys.composing import Reach
from journeys.drafting.choosing import Drafts
from journeys.policy import DEFAULT_POLICY
from journeys.program import Program
from journeys.rehearse import rehearse
from journeys.timeline import RehearsedEnrolment
from waymark.demo.story import Story


@dataclass(frozen=True, slots=True)
class Said:
    """One message, as far as a reader would notice; `text` is the plain part, without the link at its end."""

    message: str
    subject: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Became:
    """One enrolment: how it ended, and what was said in it, in order."""

    outcome: str | None
    said: tuple[Said, ...]


Enrolments = Mapping[tuple[str, str], Became]
"""By the learner's id and the entry key."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What must be so of one learner, whatever the rehearsal says: outcomes by entry key, what she got, what never."""

    outcomes: Mapping[str, str]
    got: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()


def expect(program: Program, story: Story, *, reach: Mapping[str, Reach], drafts: Drafts) -> Enrolments:
    """What the rehearsal says of everybody, where these texts are approved."""
    once = [arrival for arrival in story.arrivals if not arrival.is_repeated]
    rehearsal = rehearse(
        program, {}, [a.event for a in once], reach=reach, arrivals={a.event.id: a.at for a in once},
        policy=DEFAULT_POLICY, drafts=drafts,
    )  # fmt: skip
    return {(her.learner, each.key): _became(each) for her in rehearsal.learners for each in her.enrolments}


def _became(enrolment: RehearsedEnrolment) -> Became:
    said = [Said(m.message, m.subject, text_part(m.text, None).strip(), m.at) for m in enrolment.messages]
    return Became(enrolment.outcome, tuple(said))


def _fact(outcomes: Mapping[str, str], *, got: Sequence[str] = (), never: Sequence[str] = ()) -> Fact:
    return Fact(outcomes, frozenset(got), frozenset(never))


_LATE = ("ask-for-time", "look-back")
_DONE = ("course-done", "well-done")

FACTS: Mapping[str, Fact] = {
    "ada.okafor": _fact({"S-17": "goal"}, got=("well-begun", "sales-story", *_DONE), never=("reminder", *_LATE)),
    "ben.larsen": _fact({"E-04": "goal"}, got=("well-begun", "engineering-story", *_DONE), never=("reminder",)),
    "chloe.dunn": _fact({"F-02": "completed"}, got=("reminder", "keep-going", "look-back"), never=("ask-for-time",)),
    "dilip.rao": _fact({"E-11": "goal", "E-12": "goal"}, got=("well-begun", "reminder")),
    "emre.kaya": _fact({"S-21": "left"}, got=("welcome", "sales-story"), never=("ask-for-time", "listen", *_DONE)),
    "fiona.walsh": _fact({"O-03": "completed"}, never=("welcome", "well-begun", "story", "look-back")),
    "gaelle.martin": _fact({}),
    "hugo.brandt": _fact({"P-08": "goal"}, got=("welcome", *_DONE)),
    "ivy.chen": _fact({"P-01": "goal"}, got=("well-begun",), never=("reminder",)),
    "jonas.weber": _fact({"E-19": "goal"}, got=_DONE, never=_LATE),
    "kira.novak": _fact({"S-05": "goal"}, got=("course-done", "listen"), never=("delegate", "well-done", "look-back")),
    "liam.byrne": _fact({"O-07": "goal"}, got=("delegate", "well-done")),
    "maya.singh": _fact({}),
    "noah.adler": _fact({"hired": "goal"}, got=("welcome", "story")),
    "orla.quinn": _fact({"P-15": "goal"}, got=("welcome", "well-done"), never=("listen",)),
    "pavel.horak": _fact({"S-40": "completed"}, got=("reminder", *_LATE), never=("well-begun", *_DONE)),
    "queenie.moss": _fact({"F-09": "goal"}, got=("well-begun",), never=("reminder",)),
    "rosa.lindt": _fact({"S-52": "goal"}, got=("engineering-story",), never=("sales-story",)),
    "sami.haddad": _fact({"O-12": "goal"}, got=("well-begun", "well-done"), never=("welcome",)),
    "tara.boyle": _fact({"E-27": "completed"}, got=_LATE, never=_DONE),
    "umar.farooq": _fact({"P-22": "goal"}, got=("welcome", "well-begun")),
    "vera.stein": _fact({"S-61": "goal"}, got=_DONE),
    "will.ashby": _fact({"E-41": "left"}, got=("welcome",), never=("reminder", "well-begun", "story")),
    "xenia.petrou": _fact({"P-30": "completed"}, got=("well-begun", *_LATE), never=_DONE),
    "yusuf.demir": _fact({"F-14": "goal"}, got=("welcome", "well-begun", "story", "listen", *_DONE)),
}
"""By the learner's id; everybody of the cast."""

"""The twenty-five learners of the demo, each with a way of her own.

Days count from her promotion, which comes on `begins` days into the story. What is written here is what the HR system
and the LMS report; what Waymark makes of it is nowhere in this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from journeys.events import Json

PROMOTED, HIRED, CHANGED, LEFT = (
    "hr.learner.promoted",
    "hr.learner.hired",
    "hr.learner.changed",
    "hr.learner.left",
)
STARTED, PROGRESSED, COMPLETED = "lms.course.started", "lms.course.progressed", "lms.course.completed"
MEASURED = "performance.measured"


@dataclass(frozen=True, slots=True)
class Did:
    """One thing that is reported of a learner, so many days after her promotion.

    `arrives_on`: it reaches us only then. `effective_on`: it takes effect only then. `times`: how often it is sent.
    """

    day: float
    type: str
    data: Mapping[str, Json] = field(default_factory=dict[str, Json])
    arrives_on: float | None = None
    effective_on: float | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Person:
    """One learner; `twist` says what is particular about her. Without `has_address` HR knows no address at first."""

    given_name: str
    family_name: str
    department: str
    country: str
    begins: int
    twist: str
    did: tuple[Did, ...]
    team: str | None = None
    manager: str | None = "p-900"
    has_address: bool = True

    @property
    def id(self) -> str:
        """Her id as the HR system knows it."""
        return f"{self.given_name.lower()}.{self.family_name.lower()}"

    @property
    def address(self) -> str:
        """Her address, where HR knows it."""
        return f"{self.id}@acme.example"

    def profile(self) -> dict[str, Json]:
        """What the HR system knows of her before the story begins."""
        known: dict[str, Json] = {
            "given_name": self.given_name, "family_name": self.family_name, "department": self.department,
            "country": self.country,
        }  # fmt: skip
        more = {"team": self.team, "manager": self.manager, "email": self.address if self.has_address else None}
        return {**known, **{name: value for name, value in more.items() if value is not None}}


def _promoted(position: str, *, day: float = 0, to: str = "manager", **more: float) -> Did:
    data: dict[str, Json] = {"from_level": "specialist", "to_level": to, "position_id": position}
    return Did(
        day, PROMOTED, data, effective_on=more.get("effective_on"), arrives_on=more.get("arrives_on"),
        times=int(more.get("times", 1)),
    )  # fmt: skip


def _course(type_: str, day: float, *, course: str = "MGR-101", **more: Json) -> Did:
    return Did(day, type_, {"course": course, "title": "First-time managers", **more})


def _measured(day: float, value: float) -> Did:
    return Did(day, MEASURED, {"metric": "one_to_ones_held", "value": value})


def _changed(day: float, **given: Json) -> Did:
    return Did(day, CHANGED, given)


CAST: tuple[Person, ...] = (
    Person("Ada", "Okafor", "Sales", "GB", 0, "starts the course early", (
        _promoted("S-17"), _course(STARTED, 1.1), _course(COMPLETED, 19.2)), team="Inside Sales"),
    Person("Ben", "Larsen", "Engineering", "DE", 0, "takes the course as planned", (
        _promoted("E-04"), _course(STARTED, 4.1), _course(COMPLETED, 17.3)), team="Billing"),
    Person("Chloe", "Dunn", "Finance", "GB", 1, "never starts the course, has no manager", (
        _promoted("F-02"),), team="Payroll", manager=None),
    Person("Dilip", "Rao", "Engineering", "IE", 0, "promoted twice, into two positions", (
        _promoted("E-11"), _course(STARTED, 3.2), _promoted("E-12", day=7.1), _course(COMPLETED, 16.2)), team="Search"),
    Person("Emre", "Kaya", "Sales", "DE", 1, "leaves the company in week 3", (
        _promoted("S-21"), _course(STARTED, 3.3), Did(16.2, LEFT)), team="Field Sales"),
    Person("Fiona", "Walsh", "Operations", "IE", 2, "HR knows no address of hers", (
        _promoted("O-03"), _course(STARTED, 5.1)), team="Depot", has_address=False),
    Person("Gaelle", "Martin", "Sales", "FR", 2, "in a country outside the audience", (
        _promoted("S-30"), _course(STARTED, 3.1)), team="Sud"),
    Person("Hugo", "Brandt", "Product", "DE", 3, "HR sends his promotion twice", (
        _promoted("P-08", times=2), _course(STARTED, 4.2), _course(COMPLETED, 15.1)), team="Maps"),
    Person("Ivy", "Chen", "Product", "GB", 0, "the LMS reports her start late", (
        _promoted("P-01"), Did(0.9, STARTED, {"course": "MGR-101"}, arrives_on=1.9), _changed(1.4, site="Leeds"),
        _course(COMPLETED, 18.1)), team="Checkout"),
    Person("Jonas", "Weber", "Engineering", "DE", 4, "completes before he is asked", (
        _promoted("E-19"), _course(STARTED, 2.4), _course(COMPLETED, 6.3)), team="Storage"),
    Person("Kira", "Novak", "Sales", "DE", 1, "reaches the goal in week 5", (
        _promoted("S-05"), _course(STARTED, 3.1), _course(COMPLETED, 18.2), _measured(30.1, 9)), team="Partners"),
    Person("Liam", "Byrne", "Operations", "IE", 1, "holds too few one-to-ones", (
        _promoted("O-07"), _course(STARTED, 6.1), _course(COMPLETED, 21.1), _measured(30.1, 5)), team="Fleet"),
    Person("Maya", "Singh", "Engineering", "GB", 2, "promoted, but not to manager", (
        _promoted("E-33", to="lead"), _course(STARTED, 2.1))),
    Person("Noah", "Adler", "Finance", "DE", 0, "hired as a manager from outside", (
        Did(0, HIRED, {"level": "manager"}), _course(STARTED, 5.2), _course(COMPLETED, 22.1)), team="Audit"),
    Person("Orla", "Quinn", "Product", "IE", 3, "leads nobody yet", (
        _promoted("P-15"), _course(STARTED, 3.4), _course(COMPLETED, 16.1))),
    Person("Pavel", "Horak", "Sales", "DE", 0, "starts another course", (
        _promoted("S-40"), _course(STARTED, 3.1, course="MGR-205")), team="Renewals"),
    Person("Queenie", "Moss", "Finance", "GB", 1, "starts at the last moment", (
        _promoted("F-09"), _course(STARTED, 6.8), _course(COMPLETED, 24.2)), team="Treasury"),
    Person("Rosa", "Lindt", "Sales", "DE", 2, "moves from Sales to Engineering", (
        _promoted("S-52"), _course(STARTED, 3.2), _changed(5.1, department="Engineering"),
        _course(COMPLETED, 21.2)), team="Demo Lab"),
    Person("Sami", "Haddad", "Operations", "GB", 3, "his address comes a day late", (
        _promoted("O-12"), _changed(1.2, email="sami.haddad@acme.example"), _course(STARTED, 4.1),
        _course(COMPLETED, 19.1)), team="Returns", has_address=False),
    Person("Tara", "Boyle", "Engineering", "IE", 0, "completes two days too late", (
        _promoted("E-27"), _course(STARTED, 3.1), _course(COMPLETED, 26.2)), team="Mobile"),
    Person("Umar", "Farooq", "Product", "GB", 0, "his promotion takes effect in a week", (
        _promoted("P-22", effective_on=7.0), _course(STARTED, 10.1), _course(COMPLETED, 23.1)), team="Pricing"),
    Person("Vera", "Stein", "Sales", "DE", 2, "moves abroad on the way, and stays in", (
        _promoted("S-61"), _course(STARTED, 4.3), _changed(12.1, country="AT", site="Wien"),
        _course(COMPLETED, 20.2)), team="Key Accounts"),
    Person("Will", "Ashby", "Engineering", "GB", 4, "leaves on the second day", (
        _promoted("E-41"), Did(1.1, LEFT)), team="Tooling"),
    Person("Xenia", "Petrou", "Product", "IE", 1, "halfway through, and no further", (
        _promoted("P-30"), _course(STARTED, 2.3), _course(PROGRESSED, 9.1, progress=0.5),
        _course(PROGRESSED, 15.1, progress=0.6)), team="Insights"),
    Person("Yusuf", "Demir", "Finance", "DE", 4, "an ordinary eight weeks", (
        _promoted("F-14"), _course(STARTED, 3.1), _course(COMPLETED, 18.1)), team="Tax"),
)  # fmt: skip
"""In the order in which they are drawn."""

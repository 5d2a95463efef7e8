"""What goes wrong when: a pure function of the seed.

A plan is lines, one fault each: when it begins (seconds after the first event), what, to whom, for how long.

    3.1 kill worker-1 0.4
    9.8 drop smtp 2.0

So it can be printed, kept, changed by hand and given again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

WORKERS = ("worker-1", "worker-2")
BRIDGES = ("bridge-1", "bridge-2")
API = "api"
OURS = (*WORKERS, *BRIDGES, API)
BOTH = ("sqlite", "postgresql")

FIRST_AT = 3.0
PAUSES_SECONDS = (2.0, 7.0)
"""Between the beginnings of two faults."""
SHORT_PAUSE_SECONDS = 2.5
"""The same in a short run, at least."""
REST_SECONDS = 4.0
"""So long a subject is left alone after a fault, so that it has begun again when the next one comes."""


@dataclass(frozen=True)
class Planned:
    """One fault: `at` and `seconds` are seconds, from the first event and from its beginning."""

    at: float
    fault: str
    subject: str
    seconds: float

    def __str__(self) -> str:
        """One line of a plan."""
        return f"{self.at:g} {self.fault} {self.subject} {self.seconds:g}"

    @property
    def spared(self) -> tuple[str, ...]:
        """Who suffers nothing else meanwhile: its subject; while a worker is frozen both, as only the other one can
        take over, and whoever dies has to begin anew with it.
        """
        return spared(self.fault, self.subject)

    @property
    def harm(self) -> str:
        """What to whom, whichever of two it was: `kill worker`."""
        return f"{self.fault} {self.subject.partition('-')[0]}"


@dataclass(frozen=True)
class Kind:
    """One kind of fault: to whom it may happen, how long it lasts, on which databases there is such a thing."""

    fault: str
    subjects: tuple[str, ...]
    shortest: float = 0.0
    longest: float = 2.0
    on: tuple[str, ...] = BOTH


KINDS = (
    Kind("kill", OURS),
    Kind("kill", WORKERS),
    Kind("kill", BRIDGES),
    Kind("kill", (API,)),
    Kind("kill", ("temporal",), 0.0, 4.0),
    Kind("kill", ("kafka",), 0.0, 4.0),
    Kind("rebalance", BRIDGES, 1.0, 4.0),
    Kind("freeze", WORKERS, 40.0, 50.0),
    Kind("freeze", BRIDGES, 12.0, 18.0),
    Kind("hour-ahead", WORKERS, 8.0, 20.0),
    Kind("hour-behind", WORKERS, 8.0, 20.0),
    Kind("hour-ahead", (*BRIDGES, API), 8.0, 20.0),
    Kind("hour-behind", (*BRIDGES, API), 8.0, 20.0),
    Kind("lock", ("database",), 3.0, 12.0, ("sqlite",)),
    Kind("cut", ("database",), on=("postgresql",)),
    Kind("restart", ("database",), 0.0, 4.0, ("postgresql",)),
    Kind("full", ("database",), 3.0, 10.0),
    Kind("refuse", ("smtp",), 3.0, 8.0),
    Kind("refuse", ("webhook",), 3.0, 8.0),
    Kind("hang", ("smtp",), 3.0, 8.0),
    Kind("hang", ("webhook",), 3.0, 8.0),
    Kind("drop", ("smtp",), 1.0, 3.0),
    Kind("drop", ("webhook",), 1.0, 3.0),
)

SHORT = (
    Kind("kill", WORKERS, 0.0, 1.0),
    Kind("kill", BRIDGES, 0.0, 1.0),
    Kind("kill", (API,), 0.0, 1.0),
    Kind("kill", ("temporal",), 0.0, 1.0),
    Kind("kill", ("kafka",), 0.0, 1.0),
    Kind("lock", ("database",), 2.0, 4.0, ("sqlite",)),
    Kind("cut", ("database",), on=("postgresql",)),
    Kind("drop", ("smtp",), 1.0, 2.0),
    Kind("refuse", ("webhook",), 1.0, 2.0),
    Kind("rebalance", BRIDGES, 0.5, 1.5),
)
"""One kill of each, and one of each that the others do, but for what takes long or wants a machine of its own: for a
run of a minute.
"""


def draw(
    seed: int, *, seconds: float, on: str, kinds: Sequence[Kind] = KINDS, without: Sequence[str] = ()
) -> tuple[Planned, ...]:
    """The plan of this seed for a run of `seconds`; faults named in `without` are left out.

    Every kind comes once before one comes again, in an order of chance; nobody suffers two faults at once, but others
    do meanwhile; while a worker is frozen the other one suffers none.
    """
    chance = Random(seed)
    possible = [kind for kind in kinds if on in kind.on and kind.fault not in without]
    plan: list[Planned] = []
    free_from: dict[str, float] = {}
    waiting: list[Kind] = []
    at = FIRST_AT
    while possible and at < seconds:
        if not waiting:
            waiting = chance.sample(possible, len(possible))
        for kind in waiting:
            subjects = [
                subject for subject in kind.subjects
                if all(free_from.get(each, 0.0) <= at for each in spared(kind.fault, subject))
            ]  # fmt: skip
            if subjects:
                subject = chance.choice(subjects)
                lasts = round(chance.uniform(kind.shortest, kind.longest), 1)
                plan.append(Planned(round(at, 1), kind.fault, subject, lasts))
                free_from |= dict.fromkeys(spared(kind.fault, subject), at + lasts + REST_SECONDS)
                waiting.remove(kind)
                break
        at += chance.uniform(*PAUSES_SECONDS)
    return tuple(plan)


def spared(fault: str, subject: str) -> tuple[str, ...]:
    """Who suffers nothing else while this one suffers that."""
    return WORKERS if fault == "freeze" and subject in WORKERS else (subject,)


def draw_short(seed: int, *, on: str, without: Sequence[str] = ()) -> tuple[Planned, ...]:
    """One fault of each kind of `SHORT`, close together."""
    chance = Random(seed)
    possible = [kind for kind in SHORT if on in kind.on and kind.fault not in without]
    return tuple(
        Planned(
            round(FIRST_AT + number * SHORT_PAUSE_SECONDS + chance.uniform(0.0, 1.0), 1),
            kind.fault,
            chance.choice(kind.subjects),
            round(chance.uniform(kind.shortest, kind.longest), 1),
        )
        for number, kind in enumerate(chance.sample(possible, len(possible)))
    )


def read(text: str) -> tuple[Planned, ...]:
    """A plan as it was printed; raises ValueError with the line that is none."""
    return tuple(_read(line) for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _read(line: str) -> Planned:
    known = {(kind.fault, subject) for kind in (*KINDS, *SHORT) for subject in kind.subjects}
    try:
        at, fault, subject, seconds = line.split()
        planned = Planned(float(at), fault, subject, float(seconds))
    except ValueError as error:
        raise ValueError(f"{line!r} is no fault: write it as 3.1 kill worker-1 0.4") from error
    if (planned.fault, planned.subject) not in known:
        raise ValueError(f"{line!r}: there are only {', '.join(sorted(f'{f} {s}' for f, s in known))}")
    return planned

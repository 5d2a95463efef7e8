"""From settings to open LMSs, by name."""

from collections.abc import Mapping

from pydantic import ValidationError

from connectors.errors import Misconfigured
from connectors.lms.base import LMS_KINDS, PREFIX, Assignment, Lms, LmsSettings
from connectors.named import by_name, explained
from connectors.requests import OutgoingRequest, Reply

GENERIC = "http"


class AssigningLms:
    """An LMS as the port that all systems share."""

    def __init__(self, lms: Lms) -> None:
        self._lms = lms

    async def request(self, outgoing: OutgoingRequest) -> Reply:
        """Assign the course that the body names."""
        course, due = outgoing.body.get("course"), outgoing.body.get("due")
        assignment = Assignment(
            key=outgoing.request_id,
            learner=outgoing.learner,
            course=str(course),
            due=due if isinstance(due, str) else None,
        )
        return await self._lms.assign(assignment)

    async def close(self) -> None:
        """Close every connection."""
        await self._lms.close()


def read_lmss(values: Mapping[str, str]) -> Mapping[str, LmsSettings]:
    """The settings of every LMS that is set up, by name, from values by their names in the environment.

    Raises Misconfigured, which names every wrong setting and no token.
    """
    settings: dict[str, LmsSettings] = {}
    problems: list[str] = []
    for name, given in by_name(values, PREFIX, ("url", "token")).items():
        try:
            settings[name] = LmsSettings.model_validate({"name": name, **given})
        except ValidationError as error:
            problems += explained(error, PREFIX, name)
    if problems:
        raise Misconfigured("; ".join(problems), setting=problems[0].partition(":")[0])
    return {name: chosen for name, chosen in settings.items() if chosen.is_set_up}


def open_lmss(values: Mapping[str, str], *, within_seconds: float = 25.0) -> Mapping[str, AssigningLms]:
    """Every LMS that is set up; raises as `read_lmss`. Connections are made when needed.

    A kind that is registered under the LMS's own name serves it, `http` every other.
    """
    return {
        name: AssigningLms(LMS_KINDS.get(name, LMS_KINDS[GENERIC])(chosen, within_seconds=within_seconds))
        for name, chosen in read_lmss(values).items()
    }

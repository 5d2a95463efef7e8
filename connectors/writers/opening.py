"""From settings to the writer, and what is known of every writer's settings without opening it."""

from collections.abc import Mapping

from pydantic import ValidationError

from connectors.errors import Misconfigured
from connectors.writers.base import WRITERS, Writer, WriterSettings


def read_writers(values: Mapping[str, str]) -> Mapping[str, WriterSettings]:
    """The settings of every writer that is set up, by name, from values by their names in the environment.

    Empty values count as absent. Raises Misconfigured, which names every wrong setting and no secret.
    """
    given = {name: value for name, value in values.items() if value}
    settings: dict[str, WriterSettings] = {}
    problems: list[str] = []
    for name, cls in sorted(WRITERS.items()):
        try:
            settings[name] = cls.settings.model_validate(given)
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False, include_context=False):
                reason = problem["msg"].removeprefix("Value error, ")
                problems.append(f"{problem['loc'][0]}: {reason}" if problem["loc"] else reason)
    if problems:
        raise Misconfigured("; ".join(problems), setting=problems[0].partition(":")[0])
    return {name: chosen for name, chosen in settings.items() if chosen.is_set_up}


def open_writer(values: Mapping[str, str]) -> Writer | None:
    """The writer that is set up (the first by name), or None where there is none; raises as `read_writers`.

    Connections are made when needed.
    """
    for name, chosen in read_writers(values).items():
        return WRITERS[name](chosen)
    return None

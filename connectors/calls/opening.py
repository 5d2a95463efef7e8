"""From settings to open calls, by name."""

from collections.abc import Mapping

from pydantic import ValidationError

from connectors.calls.webhook import PREFIX, Call, CallSettings
from connectors.errors import Misconfigured
from connectors.named import by_name, explained


def read_calls(values: Mapping[str, str]) -> Mapping[str, CallSettings]:
    """The settings of every call that is set up, by name, from values by their names in the environment.

    Raises Misconfigured, which names every wrong setting and no secret.
    """
    settings: dict[str, CallSettings] = {}
    problems: list[str] = []
    for name, given in by_name(values, PREFIX, ("url", "secret")).items():
        try:
            settings[name] = CallSettings.model_validate({"name": name, **given})
        except ValidationError as error:
            problems += explained(error, PREFIX, name)
    if problems:
        raise Misconfigured("; ".join(problems), setting=problems[0].partition(":")[0])
    return {name: chosen for name, chosen in settings.items() if chosen.is_set_up}


def open_calls(values: Mapping[str, str], *, within_seconds: float = 25.0) -> Mapping[str, Call]:
    """Every call that is set up; raises as `read_calls`. Connections are made when needed."""
    return {name: Call(chosen, within_seconds=within_seconds) for name, chosen in read_calls(values).items()}

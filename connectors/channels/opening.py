"""From settings to open channels, and what is known of every channel without opening it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from connectors.channels.base import CHANNELS, Channel, ChannelSettings, Limits, queue_of
from connectors.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class KnownChannel:
    """A channel as those below and beside know it: by value, whether it is set up or not."""

    name: str
    address_field: str | None
    needs_address: bool
    queue: str


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting of a channel, as `waymark settings` shows it."""

    name: str
    channel: str
    default: str | None
    help: str
    is_secret: bool


def known_channels() -> Mapping[str, KnownChannel]:
    """Every channel there is, by name."""
    return {
        name: KnownChannel(name, cls.address_field, cls.address_field is not None, queue_of(name))
        for name, cls in sorted(CHANNELS.items())
    }


def channel_settings() -> tuple[SettingField, ...]:
    """Every setting of every channel."""
    return tuple(
        _described(name, field)
        for name, cls in sorted(CHANNELS.items())
        for field in cls.settings.model_fields.values()
    )


def open_channels(values: Mapping[str, str], *, limits: Limits | None = None) -> Mapping[str, Channel]:
    """Every channel that is set up, by name, from values by their names in the environment.

    Empty values count as absent. Raises Misconfigured, which names every wrong setting and no secret. Connections are
    made when needed.
    """
    given = {name: value for name, value in values.items() if value}
    settings: dict[str, ChannelSettings] = {}
    problems: list[str] = []
    for name, cls in sorted(CHANNELS.items()):
        try:
            settings[name] = cls.settings.model_validate(given)
        except ValidationError as error:
            problems += _explained(error)
    if problems:
        raise Misconfigured("; ".join(problems), setting=problems[0].partition(":")[0])
    return {
        name: CHANNELS[name](chosen, limits=limits or Limits()) for name, chosen in settings.items() if chosen.is_set_up
    }


async def close_channels(channels: Mapping[str, Channel]) -> None:
    """Close them all."""
    for channel in channels.values():
        await channel.close()


def _described(channel: str, field: FieldInfo) -> SettingField:
    return SettingField(
        name=field.alias or "",
        channel=channel,
        default=None if field.default is None else str(field.default),
        help=field.description or "",
        is_secret="SecretStr" in str(field.annotation) or field.annotation is SecretStr,
    )


def _explained(error: ValidationError) -> list[str]:
    """One line for each problem: the setting and what is allowed, never the value."""
    lines: list[str] = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {reason}" if name else reason)
    return lines

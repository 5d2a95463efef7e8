"""The registries of channels and sources."""

from pathlib import Path
from typing import ClassVar

import pytest

from connectors.channels import CHANNELS, channel_settings, known_channels, open_channels
from connectors.channels.base import Channel, ChannelSettings, address_in, channel
from connectors.channels.email import EmailSettings
from connectors.errors import Misconfigured
from connectors.sources import SOURCES
from connectors.sources.base import Raw, Translation, source

HERE = Path(__file__).parent


def test_a_second_channel_of_a_name_is_an_error_that_names_both_files() -> None:
    """The error holds the name and where both stand; the first stays."""
    before = dict(CHANNELS)
    with pytest.raises(TypeError, match=r"'email' is defined twice") as raised:

        @channel("email")
        class Second(Channel):
            settings: ClassVar[type[ChannelSettings]] = EmailSettings
            address_field: ClassVar[str | None] = None

    assert "channels/email.py" in str(raised.value)
    assert "test_registries.py" in str(raised.value)
    assert before == CHANNELS


def test_a_second_source_for_a_topic_is_an_error_that_names_both_files() -> None:
    """One topic has one translator."""
    before = dict(SOURCES)
    with pytest.raises(TypeError, match=r"'hr.events' is defined twice") as raised:

        @source("second")
        class Second:
            name: ClassVar[str]
            topics: ClassVar[tuple[str, ...]] = ("hr.events",)

            @staticmethod
            def translate(raw: Raw) -> tuple[Translation, ...]:
                return ()

    assert "sources/cloudevents.py" in str(raised.value)
    assert "test_registries.py" in str(raised.value)
    assert before == SOURCES


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_every_channel_runs_the_suite(name: str) -> None:
    """A channel without its test file, or one that does not run the suite, fails here."""
    text = (HERE / "channels" / f"test_{name}.py").read_text()
    assert "(ChannelSuite)" in text


def test_what_is_known_without_settings() -> None:
    """Names, address fields and queues of every channel are plain values."""
    known = known_channels()
    assert {name: (k.address_field, k.needs_address, k.queue) for name, k in known.items()} == {
        "email": ("email", True, "deliver-email"),
        "webhook": (None, False, "deliver-webhook"),
    }


def test_every_setting_of_a_channel_has_a_name_and_help() -> None:
    """`waymark settings` can show them all, and knows which to hide."""
    described = {field.name: (field.channel, field.is_secret) for field in channel_settings()}
    assert described == {
        "WAYMARK_SMTP_URL": ("email", True),
        "WAYMARK_MAIL_FROM": ("email", False),
        "WAYMARK_WEBHOOK_URL": ("webhook", False),
        "WAYMARK_WEBHOOK_SECRET": ("webhook", True),
    }
    assert all(field.help.endswith(".") for field in channel_settings())


def test_all_wrong_settings_are_named_at_once() -> None:
    """Two channels that are set up wrongly are one error that names both settings."""
    with pytest.raises(Misconfigured) as raised:
        open_channels({"WAYMARK_SMTP_URL": "x", "WAYMARK_WEBHOOK_URL": "y"})
    assert "WAYMARK_SMTP_URL" in str(raised.value)
    assert "WAYMARK_WEBHOOK_URL" in str(raised.value)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [({"email": " a@b "}, "a@b"), ({"email": ""}, None), ({"email": 7}, None), ({"email": None}, None), ({}, None)],
)
def test_the_address_is_the_profiles_text(profile: dict[str, object], expected: str | None) -> None:
    """Anything but a text with something in it is no address."""
    assert address_in(profile, "email") == expected  # pyright: ignore[reportArgumentType]  (whatever a profile may hold)
    assert address_in(profile, None) is None  # pyright: ignore[reportArgumentType]  (as above)

"""The registry of channels: importing it imports them all."""

from connectors.channels import email, webhook
from connectors.channels.base import CHANNELS, Channel, ChannelSettings, Limits
from connectors.channels.opening import (
    KnownChannel,
    SettingField,
    channel_settings,
    close_channels,
    known_channels,
    open_channels,
)
from connectors.outgoing import Outgoing, OutgoingLink, Receipt

__all__ = [
    "CHANNELS",
    "Channel",
    "ChannelSettings",
    "KnownChannel",
    "Limits",
    "Outgoing",
    "OutgoingLink",
    "Receipt",
    "SettingField",
    "channel_settings",
    "close_channels",
    "email",
    "known_channels",
    "open_channels",
    "webhook",
]

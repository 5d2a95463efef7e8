"""How a command says that it did not do what was asked.

    CommandError          the base; its exit status says who must act
    ├─ NotSo          1   the thing asked about is not so: a definition with problems, a missing enrolment
    ├─ WrongUsage     2   the command or a setting is wrong
    └─ Unreachable    3   a server cannot be reached or started

`waymark.cli.main.main` is the one place that turns them into an exit status.
"""

from typing import ClassVar


class CommandError(Exception):
    """What went wrong, in words for whoever typed the command."""

    status: ClassVar[int] = 1


class NotSo(CommandError):
    """The thing asked about is not so."""

    status = 1


class WrongUsage(CommandError):
    """The command or a setting is wrong."""

    status = 2


class Unreachable(CommandError):
    """A server cannot be reached or started."""

    status = 3

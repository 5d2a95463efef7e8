"""The command line: every command module adds its commands to one typer app.

A command module has a function `add(app: typer.Typer) -> None`. Adding one is one line in `MODULES`.
"""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

import typer

from waymark.cli.errors import CommandError
from waymark.logs import OURS

MODULES = (
    "waymark.cli.servers",
    "waymark.cli.demo",
    "waymark.cli.definitions",
    "waymark.cli.rehearsing",
    "waymark.cli.drafting",
    "waymark.cli.events",
    "waymark.cli.records",
    "waymark.cli.operations",
    "waymark.cli.steering",
    "waymark.cli.drafts",
    "waymark.cli.policy",
    "waymark.cli.processes",
)


def build() -> typer.Typer:
    """The app with every command there is."""
    app = typer.Typer(
        name="waymark",
        help="Waymark: an event-driven orchestrator of learning journeys.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in MODULES:
        if find_spec(name) is not None:
            import_module(name).add(app)
    return app


def main() -> None:
    """Run the command line; exit status 0 done, 1 not so, 2 wrong usage, 3 a server cannot be reached."""
    try:
        build()()
    except CommandError as error:
        sys.stdout.flush()
        print(f"waymark: {error}", file=sys.stderr)  # noqa: T201 - the command line's own output
        _leave(error.status)
    except SystemExit as ended:  # which is how typer ends, whatever the status
        if ended.code is not None and not isinstance(ended.code, int):
            raise
        _leave(ended.code or 0)
    except Exception as error:  # noqa: BLE001 - the process ends with it
        print(_told(error), file=sys.stderr)  # noqa: T201 - as above
        _leave_at_once(1)  # a thread that hangs may be what went wrong, and an interpreter that ends waits for it


def _told(error: BaseException) -> str:
    """The traceback, with the words of errors that are ours or the system's; others' may be personal."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    earlier = f"{_told(before)}\n\nand then\n\n" if before is not None else ""
    kind = type(error)
    has_words = kind.__module__.partition(".")[0] in OURS or isinstance(error, OSError)
    words = f": {error}" if has_words else ""
    parts: Sequence[object] = getattr(error, "exceptions", ())  # those of a group
    several = [_told(one) for one in parts if isinstance(one, BaseException)]
    told = f"{''.join(traceback.format_tb(error.__traceback__))}{kind.__module__}.{kind.__qualname__}{words}"
    return "\n\nof which\n\n".join([f"{earlier}{told}", *several])


def _leave(status: int) -> NoReturn:
    """Exit; where Temporal was spoken to, at once: the SDK's threads may still be giving back what they hold, and an
    interpreter that ends under them aborts.
    """
    if _TEMPORAL not in sys.modules:
        sys.exit(status)
    _leave_at_once(status)


def _leave_at_once(status: int) -> NoReturn:
    """Exit, and wait for no thread."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


_TEMPORAL = "temporalio.bridge.temporal_sdk_bridge"

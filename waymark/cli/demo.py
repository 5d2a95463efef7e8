"""`waymark demo`: the guided tour on real servers."""

import signal
import sys
from contextlib import suppress
from typing import Annotated

import typer

from waymark.cli.errors import CommandError
from waymark.cli.output import AsJson, print_json

INTERRUPTED = 128 + signal.SIGINT


def add(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(epilog="Example: waymark demo")(demo)


def demo(
    width: Annotated[int | None, typer.Option(min=80, help="Columns of the picture (default: the terminal's).")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the main job on real servers: HR and LMS events in through Kafka, messages out, nine weeks in time-lapse.

    It has servers and a home of its own, begins afresh each time, and ends with the addresses to look at. Exit status 1
    where what arrived is not what the journey says.
    """
    from rich.console import Console

    from waymark.demo.stage import stage_in
    from waymark.demo.tour import Tour
    from waymark.settings import load

    settings = load(with_home=False).settings
    lacking = settings.lacks_for_writer()
    stage = stage_in(settings.home, writer=None if lacking else settings.of_writer(), lacking=lacking)
    console = Console(file=sys.stderr if as_json else sys.stdout, width=width)
    try:
        summary = Tour(stage, console, as_json=as_json).run()
    except KeyboardInterrupt:
        console.print("\nstopping the demo's servers")
        with suppress(CommandError):  # an `up` that was only beginning has been told by the same Ctrl-C
            stage.down()
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json({**summary, **stage.addresses(), "stop": f"{stage.command} down"})

"""`journeys`, `learners`, `enrolments`, `deliveries`, `explain`: what there is, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from waymark.cli.client import Api, Body, connect, path_of
from waymark.cli.output import (
    AsJson,
    from_now,
    in_words,
    instant,
    print_facts,
    print_json,
    print_table,
    refusals,
)
from waymark.settings import load_settings

Journey = Annotated[str | None, typer.Option(help="Only of this journey.")]
Learner = Annotated[str | None, typer.Option(help="Only of this learner: the source's id or ours.")]
Status = Annotated[str | None, typer.Option(help="Only of this status.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="How many at most.")]
Cursor = Annotated[str | None, typer.Option(help="`next` of the page before.")]
All = Annotated[bool, typer.Option("--all", help="Every page.")]


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: waymark journeys first-time-manager --report")(journeys)
    app.command(epilog="Example: waymark learners ada --timeline")(learners)
    app.command(epilog="Example: waymark enrolments --journey first-time-manager --status active")(enrolments)
    app.command(epilog="Example: waymark deliveries --status may_have_gone --all --json")(deliveries)
    app.command(epilog="Example: waymark explain enr-1b4d...")(explain)


@dataclass(frozen=True)
class _List:
    """A list of the API, as it is shown."""

    path: str
    columns: Sequence[str]
    empty: str
    is_whole: bool
    limit: int
    cursor: str | None

    def show(self, filters: Mapping[str, object], *, as_json: bool) -> None:
        """Print one page, or all of them."""
        api = connect(load_settings())
        if self.is_whole:
            page: Body = {"items": list(api.list_all(self.path, filters)), "next": None}
        else:
            page = api.get(self.path, {**filters, "limit": self.limit, "cursor": self.cursor})
        if as_json:
            print_json(page)
            return
        print_table(page["items"], self.columns, empty=self.empty)
        if page["next"] is not None:
            typer.echo(f"there are more: --cursor {page['next']} shows the next page, --all every one", err=True)


def journeys(
    journey: Annotated[str | None, typer.Argument(help="One journey, by name.", show_default=False)] = None,
    versions: Annotated[bool, typer.Option("--versions", help="The versions of this journey.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Counts of this journey.")] = False,
    status: Status = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """List journeys, or show one."""
    if journey is None:
        columns = ("journey", "version", "status", "enrolments", "published_at", "title", "paused")
        _List("/v1/journeys", columns, "no journey is published", all_, limit, cursor).show(
            {"status": status}, as_json=as_json
        )
    elif versions:
        columns = ("version", "hash", "published_at", "title")
        path = path_of("journeys", journey, "versions")
        with refusals(as_json=as_json):
            _List(path, columns, "no versions", all_, limit, cursor).show({}, as_json=as_json)
    elif report:
        _show_report(path_of("journeys", journey, "report"), as_json=as_json)
    else:
        _show_one(path_of("journeys", journey), as_json=as_json)


def learners(
    learner: Annotated[
        str | None, typer.Argument(help="One learner: the source's id or ours.", show_default=False)
    ] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Everything that happened to her.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """List learners, or show one."""
    if learner is None:
        columns = ("id", "learner_id", "updated_at")
        _List("/v1/learners", columns, "no learner is known yet", all_, limit, cursor).show({}, as_json=as_json)
    elif timeline:
        columns = ("at", "kind", "journey", "step", "text")
        path = path_of("learners", learner, "timeline")
        with refusals(as_json=as_json):
            _List(path, columns, "nothing happened yet", all_, limit, cursor).show({}, as_json=as_json)
    else:
        _show_one(path_of("learners", learner), as_json=as_json)


def enrolments(
    enrolment: Annotated[str | None, typer.Argument(help="One enrolment, by id.", show_default=False)] = None,
    journey: Journey = None,
    learner: Learner = None,
    status: Status = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """List enrolments, or show one with its journal."""
    if enrolment is not None:
        _show_one(path_of("enrolments", enrolment), as_json=as_json, leave_out="journal")
        return
    columns = ("id", "journey", "learner", "status", "outcome", "step", "due_at", "entered_at")
    _List("/v1/enrolments", columns, "no enrolment matches", all_, limit, cursor).show(
        {"journey": journey, "learner": learner, "status": status}, as_json=as_json
    )


def deliveries(
    delivery: Annotated[str | None, typer.Argument(help="One delivery, by id.", show_default=False)] = None,
    enrolment: Annotated[str | None, typer.Option(help="Only of this enrolment.")] = None,
    journey: Journey = None,
    learner: Learner = None,
    status: Status = None,
    channel: Annotated[str | None, typer.Option(help="Only through this channel.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """List deliveries, or show one."""
    if delivery is not None:
        _show_one(path_of("deliveries", delivery), as_json=as_json)
        return
    columns = ("id", "learner", "message", "channel", "status", "reason", "sent_at", "due_at")
    filters = {"enrolment": enrolment, "journey": journey, "learner": learner, "status": status, "channel": channel}
    _List("/v1/deliveries", columns, "no delivery matches", all_, limit, cursor).show(filters, as_json=as_json)


def explain(
    enrolment: Annotated[str, typer.Argument(help="The enrolment's id.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Tell one enrolment in plain words: what happened, what is awaited, why."""
    api = connect(load_settings())
    with refusals(as_json=as_json):
        body = api.get(path_of("enrolments", enrolment))
    if as_json:
        print_json(body)
        return
    for line in tell(body, now=datetime.now(UTC)):
        typer.echo(line)


def tell(body: Body, *, now: datetime) -> list[str]:
    """The story of one enrolment, line by line."""
    key = f", for {body['entry_key']}" if body["entry_key"] else ""
    zone = ZoneInfo(body["zone"])
    lines = [f"{body['learner']} in {body['journey']} (version {body['version']}){key}", f"Times of {zone.key}.", ""]
    day = None
    for entry in body["journal"]:
        at = (instant(entry["at"]) or now).astimezone(zone)
        if at.date() != day:
            day = at.date()
            lines.append(f"{at:%A} {at.day} {at:%B %Y}")
        step = f"  [{entry['step']}]" if entry["step"] else ""
        lines.append(f"  {at:%H:%M:%S}  {entry['text']}{step}")
        lines += [f"            {finding}" for finding in entry["data"].get("findings", [])]
    return [*lines, *([""] if body["journal"] else []), _standing(body, now=now), *_outlook(body)]


def _outlook(body: Body) -> list[str]:
    """What is awaited, what comes then, and what would end it at once."""
    told = body["outlook"]
    if body["status"] == "ended" or not body["journal"]:
        return []
    ends = ["It would end", *(f"  {line}" for line in told["ends"])] if told["ends"] else []
    return ["", told["now"], *(f"  {line}" for line in told["then"]), *ends]


def _standing(body: Body, *, now: datetime) -> str:
    ended_at = instant(body["ended_at"] or "")
    if body["status"] == "ended":
        when = "" if ended_at is None else f" on {in_words(ended_at)}, {from_now(ended_at, now=now)}"
        return f"It ended as {body['outcome']}{when}."
    if not body["journal"]:
        return f"It is {body['status']}, and its first turn has not been taken yet: is a worker running?"
    where = f" at {body['step']}" if body["step"] else ""
    what = f", for {body['waiting_for']}" if body["waiting_for"] else ""
    due_at = instant(body["due_at"] or "")
    until = "" if due_at is None else f", at the latest until {in_words(due_at)}, {from_now(due_at, now=now)}"
    return f"It is {body['status']} and waits{where}{what}{until}."


def _show_one(path: str, *, as_json: bool, leave_out: str | None = None) -> None:
    body = _fetch(connect(load_settings()), path, as_json=as_json)
    if as_json:
        print_json(body)
    else:
        print_facts({name: value for name, value in body.items() if name != leave_out})


def _show_report(path: str, *, as_json: bool) -> None:
    body = _fetch(connect(load_settings()), path, as_json=as_json)
    if as_json:
        print_json(body)
        return
    print_facts({"enrolments": body["enrolments"], "outcomes": body["outcomes"]})
    print_table(body["steps"], ("step", "arrived", "waiting"), empty="no steps")
    deliveries: dict[str, dict[str, Any]] = body["deliveries"]
    rows = [
        {"channel": channel, "status": status, "deliveries": number}
        for channel, counts in deliveries.items()
        for status, number in counts.items()
    ]
    print_table(rows, ("channel", "status", "deliveries"), empty="no deliveries")


def _fetch(api: Api, path: str, *, as_json: bool) -> Body:
    with refusals(as_json=as_json):
        return api.get(path)

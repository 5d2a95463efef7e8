"""`pause`, `resume`, `withdraw`, `move`, `resend`, `journey`: steering what runs, one by one or all that match."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from waymark.cli.client import Api, Body, connect, path_of
from waymark.cli.errors import WrongUsage
from waymark.cli.many import act_on_each, act_on_many
from waymark.cli.output import AsJson, print_json, refusals
from waymark.settings import load_settings

Enrolments = Annotated[
    list[str] | None, typer.Argument(metavar="[ENROLMENT]...", help="Enrolments, by id.", show_default=False)
]
Journey = Annotated[str | None, typer.Option(help="All that run in this journey.")]
Learner = Annotated[str | None, typer.Option(help="All that run of this learner, by the source's id or ours.")]
Step = Annotated[str | None, typer.Option(help="Of those, the ones that stand at this step.")]
Version = Annotated[int | None, typer.Option(help="Of those, the ones in this version.")]
Longer = Annotated[str | None, typer.Option(help="Of those, the ones that have waited longer than so (`10d`).")]
Rate = Annotated[float | None, typer.Option(help="Of many: how many a second, at most.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Of many: only say how many, and which could not.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
CatchUp = Annotated[
    Literal["continue", "skip", "restart_wait"],
    typer.Option(help="Their waits: lengthened by the pause, over where their time is over, or begun anew."),
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OLD=NEW", help="A step that is called otherwise there; as often as needed."),
]


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: waymark pause --journey first-time-manager --step wait-3d --rate 20")(pause)
    app.command(epilog="Example: waymark resume enr-1b4d... --catch-up skip")(resume)
    app.command(epilog="Example: waymark withdraw --journey first-time-manager --learner ada --yes")(withdraw)
    app.command(epilog="Example: waymark move --journey first-time-manager --to 3 --map wait-3d=rest")(move)
    app.command(epilog="Example: waymark resend --journey first-time-manager --reason variable_missing")(resend)
    whole = typer.Typer(
        no_args_is_help=True, help="Steer a whole journey. Example: waymark journey pause first-time-manager"
    )
    whole.command("pause", epilog="Example: waymark journey pause first-time-manager --reason 'a wrong link'")(
        pause_journey
    )
    whole.command("resume", epilog="Example: waymark journey resume first-time-manager")(resume_journey)
    whole.command("archive", epilog="Example: waymark journey archive first-time-manager")(archive_journey)
    whole.command("difference", epilog="Example: waymark journey difference first-time-manager 3 --since 2")(difference)
    whole.command("again", epilog="Example: waymark journey again first-time-manager 2")(publish_again)
    app.add_typer(whole, name="journey")


@dataclass(frozen=True)
class _Whom:
    """Those that are named, or the filter that chooses them."""

    enrolments: Sequence[str]
    filter: Mapping[str, Any]
    rate: float | None
    is_dry_run: bool
    yes: bool
    as_json: bool

    def steer(self, action: str, done: str, options: Body, *, body: Body | None = None) -> None:
        """Do it: to each that is named with `body`, or to all that match with `options` of the whole."""
        chosen = {name: value for name, value in self.filter.items() if value is not None}
        if bool(self.enrolments) == bool({"journey", "learner"} & chosen.keys()):
            raise WrongUsage("name enrolments, or choose them by --journey and --learner")
        api = connect(load_settings())
        if not self.enrolments:
            wanted: Body = {"action": action, "filter": chosen, "rate": self.rate, **options}
            with refusals(as_json=self.as_json):
                act_on_many(api, [wanted], done=done, is_dry_run=self.is_dry_run, yes=self.yes, as_json=self.as_json)
            return
        act_on_each(
            self.enrolments,
            lambda enrolment: api.post(path_of("enrolments", enrolment, action), body or options),
            lambda enrolment, _answer: f"{enrolment} is {done}",
            as_json=self.as_json,
        )


def pause(
    enrolments: Enrolments = None,
    journey: Journey = None,
    learner: Learner = None,
    step: Step = None,
    version: Version = None,
    longer: Longer = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Hold enrolments: those named, or all that run and match. Nothing is sent; exits and `limit` still act."""
    filters = _filter(journey, learner, step, version, longer)
    _Whom(enrolments or [], filters, rate, dry_run, yes, as_json).steer("pause", "paused", {})


def resume(
    enrolments: Enrolments = None,
    journey: Journey = None,
    learner: Learner = None,
    step: Step = None,
    version: Version = None,
    longer: Longer = None,
    catch_up: CatchUp = "continue",
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let enrolments go on that were paused by hand: those named, or all that match."""
    filters = _filter(journey, learner, step, version, longer)
    whom = _Whom(enrolments or [], filters, rate, dry_run, yes, as_json)
    whom.steer("resume", "resumed", {"catch_up": catch_up})


def withdraw(
    enrolments: Enrolments = None,
    journey: Journey = None,
    learner: Learner = None,
    step: Step = None,
    version: Version = None,
    longer: Longer = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End enrolments as withdrawn: those named, or all that run and match; says how many first."""
    filters = _filter(journey, learner, step, version, longer)
    _Whom(enrolments or [], filters, rate, dry_run, yes, as_json).steer("withdraw", "withdrawn", {})


def move(
    enrolments: Enrolments = None,
    to: Annotated[int, typer.Option("--to", metavar="VERSION", help="The version to move to.")] = 0,
    journey: Journey = None,
    learner: Learner = None,
    step: Step = None,
    version: Version = None,
    longer: Longer = None,
    steps: Map = None,
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move enrolments to another version of their journey; says which could not be, and what to map."""
    if to < 1:
        raise WrongUsage("say to which version: --to 3")
    filters = _filter(journey, learner, step, version, longer)
    whom = _Whom(enrolments or [], filters, rate, dry_run, yes, as_json)
    whom.steer("move", f"in version {to}", {"version": to, "map": _map(steps or [])})


def _filter(
    journey: str | None, learner: str | None, step: str | None, version: int | None, longer: str | None
) -> Mapping[str, Any]:
    return {"journey": journey, "learner": learner, "step": step, "version": version, "waiting_longer_than": longer}


def _map(pairs: Sequence[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not (old and equals and new):
            raise WrongUsage(f"--map {pair!r} is no pair: write it as old-step=new-step")
        found[old] = new
    return found


def resend(
    deliveries: Annotated[
        list[str] | None, typer.Argument(metavar="[DELIVERY]...", help="Deliveries, by id.", show_default=False)
    ] = None,
    journey: Annotated[str | None, typer.Option(help="All of this journey that failed or were skipped.")] = None,
    learner: Annotated[str | None, typer.Option(help="All of this learner, by the source's id or ours.")] = None,
    enrolment: Annotated[str | None, typer.Option(help="All of this enrolment.")] = None,
    message: Annotated[str | None, typer.Option(help="Of those, this message.")] = None,
    channel: Annotated[str | None, typer.Option(help="Of those, through this channel.")] = None,
    reason: Annotated[str | None, typer.Option(help="Of those, the ones whose reason begins so.")] = None,
    status: Annotated[str | None, typer.Option(help="failed, skipped, may_have_gone or bounced.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also what may have gone (it may come twice), or fell with its enrolment.")
    ] = False,
    rate: Rate = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send messages once more that failed or were skipped, when the cause is mended: those named, or all that match."""
    chosen = {"journey": journey, "learner": learner, "enrolment": enrolment}
    if bool(deliveries) == any(chosen.values()):
        raise WrongUsage("name deliveries, or choose them by --journey, --learner and --enrolment")
    api = connect(load_settings())
    if deliveries:
        act_on_each(
            deliveries,
            lambda delivery: api.post(path_of("deliveries", delivery, "resend"), {"force": force}),
            lambda delivery, answer: f"{delivery} is sent again, as {answer['delivery']['id']}",
            as_json=as_json,
        )
        return
    filters = {**chosen, "message": message, "channel": channel, "reason": reason, "status": status}
    given = {name: value for name, value in filters.items() if value is not None}
    wanted: Body = {"action": "resend", "filter": given, "force": force, "rate": rate}
    with refusals(as_json=as_json):
        act_on_many(
            api, [wanted], done="queued again", is_dry_run=dry_run, yes=yes, as_json=as_json,
            path="/v1/deliveries/actions",
        )  # fmt: skip


# a whole journey

JourneyName = Annotated[str, typer.Argument(help="The journey.", show_default=False)]


def pause_journey(
    journey: JourneyName,
    reason: Annotated[str | None, typer.Option(help="Why, for those who look at it later.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take no new entries, and hold every wait of this journey; exits and `limit` still act."""
    _steer_journey(journey, "pause", {"reason": reason}, lambda body: f"{body['journey']} is paused", as_json=as_json)


def resume_journey(journey: JourneyName, catch_up: CatchUp = "continue", as_json: AsJson = False) -> None:
    """Take entries again, and let all go on but what was paused by hand; or take it out of the archive."""
    body = {"catch_up": catch_up}
    _steer_journey(journey, "resume", body, lambda body: f"{body['journey']} goes on", as_json=as_json)


def archive_journey(journey: JourneyName, as_json: AsJson = False) -> None:
    """Take no new entries; those that run go on."""
    _steer_journey(
        journey, "archive", {}, lambda body: f"{body['journey']} takes no new entries any more", as_json=as_json
    )


def _steer_journey(journey: str, action: str, body: Body, tell: Callable[[Body], str], *, as_json: bool) -> None:
    api = connect(load_settings())
    act_on_each(
        [journey],
        lambda name: api.post(path_of("journeys", name, action), body),
        lambda _name, answer: tell(answer),
        as_json=as_json,
    )


def difference(
    journey: JourneyName,
    version: Annotated[int, typer.Argument(help="A version of it.", show_default=False)],
    since: Annotated[int | None, typer.Option(help="Since which version; the one before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what changed in a version, and how many enrolments could be moved to it."""
    with refusals(as_json=as_json):
        body = fetch_difference(connect(load_settings()), journey, version, since)
    if as_json:
        print_json(body)
        return
    for line in told_difference(body):
        typer.echo(line)


def fetch_difference(api: Api, journey: str, version: int, since: int | None) -> Body:
    """What changed."""
    path = path_of("journeys", journey, "versions", str(version), "difference")
    return api.get(path, {"with": since})


def told_difference(body: Body) -> list[str]:
    """A difference in words."""
    lines: list[str] = []
    for what in ("steps", "messages", "triggers"):
        for word in ("added", "removed", "changed"):
            names = body[what][word]
            if names:
                lines.append(f"{what} {word}: {', '.join(names)}")
    if body["settings"]:
        lines.append(f"changed: {', '.join(body['settings'])}")
    moving = body["enrolments"]
    lines = lines or ["nothing that a learner would notice"]
    if moving["running"]:
        could = f"{moving['could']} of {moving['running']}"
        lines.append(f"of version {body['from']}, {could} that run could be moved to version {body['to']}")
        for reasons, number in _grouped(moving["could_not"]).items():
            lines.append(f"  {number} could not: {reasons}")
    return lines


def _grouped(could_not: Sequence[Body]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for one in could_not:
        reasons = "; ".join(one["reasons"])
        found[reasons] = found.get(reasons, 0) + 1
    return found


def publish_again(
    journey: JourneyName,
    version: Annotated[int, typer.Argument(help="The version that is to run again.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Publish an older version again, under a new number; those that run stay where they are."""
    api = connect(load_settings())
    with refusals(as_json=as_json):
        old = api.get(path_of("journeys", journey, "versions", str(version)))
        answer = api.put(path_of("journeys", journey), old["definition"].encode(), media_type=old["definition_type"])
    if as_json:
        print_json(answer)
        return
    typer.echo(f"{journey}  version {answer['version']}, which says what version {version} said  {answer['hash']}")

"""`publish`, `enrol`, `halt`, `go`, `dead-letters`: what changes something, through the API."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from journeys.source import Map, Scalar, read_source
from waymark.cli.client import Api, Body, connect, path_of
from waymark.cli.entrants import in_parts, read_entrants
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.many import act_on_each, act_on_many, confirm
from waymark.cli.output import AsJson, print_facts, print_json, print_table, problem_line, refusals
from waymark.cli.steering import fetch_difference, told_difference
from waymark.settings import load_settings

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: waymark publish examples/first-time-manager.yaml")(publish)
    app.command(epilog="Example: waymark enrol first-time-manager --filter 'learner.level == \"manager\"' --rate 5")(
        enrol
    )
    app.command(epilog="Example: waymark halt")(halt)
    app.command(epilog="Example: waymark go")(go)
    letters = typer.Typer(
        no_args_is_help=True, help="Records that could not be used. Example: waymark dead-letters list"
    )
    letters.command("list", epilog="Example: waymark dead-letters list --reason not_json")(list_letters)
    letters.command("show", epilog="Example: waymark dead-letters show dead-5f0c...")(show_letter)
    letters.command("replay", epilog="Example: waymark dead-letters replay --all --reason not_json")(replay_letters)
    letters.command("discard", epilog="Example: waymark dead-letters discard dead-5f0c... --yes")(discard_letters)
    app.add_typer(letters, name="dead-letters")


# publishing


def publish(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Definitions.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Check definitions and publish them; where one has errors, none is published.

    With --json: what the API answers for the one file; for several files a list of that.
    """
    definitions = [(file, _read(file)) for file in files]
    api = connect(load_settings())
    named = [_check(api, file, content, as_json=as_json) for file, content in definitions]
    wrong = [file for file, journey in named if journey is None]
    if wrong:
        raise NotSo(f"nothing was published: {', '.join(str(file) for file in wrong)} has problems")
    answers: list[Body] = []
    for (file, content), (_, journey) in zip(definitions, named, strict=True):
        assert journey is not None
        with refusals(as_json=as_json):
            answer = api.put(path_of("journeys", journey), content, media_type=_media_type(file))
        answers.append(answer)
        if not as_json:
            _tell_published(file, answer)
            _tell_difference(api, answer)
    if as_json:
        print_json(answers[0] if len(answers) == 1 else answers)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongUsage(f"cannot read {file}: {error.strerror}") from None


def _media_type(file: Path) -> str:
    return "application/json" if file.suffix.lower() == ".json" else "application/yaml"


def _check(api: Api, file: Path, content: bytes, *, as_json: bool) -> tuple[Path, str | None]:
    """The journey that a definition is of; None where it has errors, which are said."""
    checked = api.post_content("/v1/journeys/check", content, media_type=_media_type(file))
    if not checked["ok"]:
        if as_json:
            print_json(checked)
        for problem in checked["problems"]:
            typer.echo(problem_line(str(file), problem), err=True)
        return file, None
    return file, _journey_of(content)


def _journey_of(content: bytes) -> str:
    """The name in a definition that has no errors."""
    root = read_source(content).root
    name = root.entries.get("journey") if isinstance(root, Map) else None
    if isinstance(name, Scalar):
        return str(name.value)
    raise NotSo("the definition names no journey")


def _tell_published(file: Path, answer: Body) -> None:
    for problem in answer["problems"]:
        typer.echo(problem_line(str(file), problem), err=True)
    typer.echo(f"{answer['journey']}  version {answer['version']}  {answer['hash']}")
    for line in _told_drafts(answer):
        typer.echo(f"  {line}")


def _told_drafts(answer: Body) -> Iterator[str]:
    """How many drafted texts are still to be approved; nothing where there are none."""
    drafts = answer["drafts"]
    if drafts is not None and drafts["missing"]:
        states = ", ".join(f"{drafts[state]} {state}" for state in ("wanted", "proposed", "failed") if drafts[state])
        texts = "1 draft is" if drafts["missing"] == 1 else f"{drafts['missing']} drafts are"
        yield (
            f"{texts} missing{f' ({states})' if states else ''}: until one is approved, its message goes in its own "
            f"words; waymark drafts list --journey {answer['journey']}"
        )


def _tell_difference(api: Api, answer: Body) -> None:
    """What is different since the version before, and who could be moved; nothing where nothing was published."""
    if answer["is_new"] and answer["version"] > 1:
        for line in told_difference(fetch_difference(api, answer["journey"], answer["version"], None)):
            typer.echo(f"  {line}")


# enrolments


def enrol(
    named: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOURNEY] [LEARNER]...",
            help="The journey, and learners by the source's id or ours.",
            show_default=False,
        ),
    ] = None,
    journey: Annotated[str | None, typer.Option(help="The journey; then all that is named is learners.")] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--filter", metavar="EXPRESSION", help='All for whom this holds, as in `learner.country == "GB"`.'
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="All in this file: a column `learner`, perhaps `key`; the others stand as `entry.data`."),
    ] = None,
    key: Annotated[str, typer.Option(help="The entry key; none: one enrolment for each learner.")] = "",
    data: Annotated[str | None, typer.Option(help="A JSON object: `entry.data`.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Pass over `audience`, `again` and `holdout`.")] = False,
    rate: Annotated[float | None, typer.Option(help="Of many: how many a second, at most.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Of many: only say how many, and who could not.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Enrol learners by hand: those named, or all who qualify by --filter or --csv, after saying how many.

    Respects `audience`, `again` and `holdout` unless forced. Ctrl-C stops what is under way.
    """  # fmt: skip
    learners = list(named or [])
    if journey is None and learners:
        journey, *learners = learners
    if journey is None:
        raise WrongUsage("name the journey")
    if bool(learners) + (where is not None) + (csv is not None) != 1:
        raise WrongUsage("name learners, or choose them by --filter, or by --csv")
    body: Body = {"key": key, "data": _object(data), "force": force}
    if learners and not dry_run and rate is None:
        _enrol_named(journey, learners, body, as_json=as_json)
        return
    wanted: Body = {"action": "enrol", "filter": {"journey": journey}, "rate": rate, **body}
    if where is not None:
        parts = [{**wanted, "filter": {"journey": journey, "expression": where}}]
    else:
        entrants = [{"learner": learner} for learner in learners] if csv is None else read_entrants(csv)
        parts = [{**wanted, "learners": part} for part in in_parts(entrants)]
    with refusals(as_json=as_json):
        act_on_many(connect(load_settings()), parts, done="enrolled", is_dry_run=dry_run, yes=yes, as_json=as_json)


def _enrol_named(journey: str, learners: Sequence[str], body: Body, *, as_json: bool) -> None:
    api = connect(load_settings())
    act_on_each(
        learners,
        lambda learner: api.post("/v1/enrolments", {**body, "journey": journey, "learner": learner}),
        lambda learner, answer: f"{learner} is in {_where(journey, answer)}: {answer['id']}",
        as_json=as_json,
    )


def _where(journey: str, answer: Body) -> str:
    return f"the holdout of {journey}" if answer["outcome"] == "holdout" else journey


def _object(text: str | None) -> Body:
    try:
        value = cast(object, json.loads(text or "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise WrongUsage("""--data is no JSON object: write it as '{"starts_on": "2026-03-02"}'""")
    return cast(Body, value)


# the whole installation


def halt(as_json: AsJson = False) -> None:
    """Stop every delivery of the installation at once; what falls due waits until `waymark go`."""
    answer = connect(load_settings()).post("/v1/halt")
    if as_json:
        print_json(answer)
    else:
        typer.echo(
            f"nothing is delivered since {answer['since'][:19]}Z (halted by {answer['by']}); `waymark go` ends that"
        )


def go(as_json: AsJson = False) -> None:
    """Deliver again, and wake what waited."""
    answer = connect(load_settings()).post("/v1/go")
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"deliveries go again; {answer['woken']} enrolments had waited")


# dead letters

Letters = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Dead letters, by id.", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Only those with this reason.")]
Topic = Annotated[str | None, typer.Option(help="Only those of this topic.")]
Every = Annotated[bool, typer.Option("--all", help="All that match.")]


def list_letters(
    reason: Reason = None,
    topic: Topic = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    as_json: AsJson = False,
) -> None:
    """List records that could not be used, the latest first."""
    page = connect(load_settings()).get(
        "/v1/dead-letters", {"reason": reason, "topic": topic, "limit": limit, "cursor": cursor}
    )
    if as_json:
        print_json(page)
        return
    columns = ("id", "reason", "topic", "partition", "offset", "at", "detail")
    print_table(page["items"], columns, empty="there are no dead letters")
    if page["next"] is not None:
        typer.echo(f"there are more: --cursor {page['next']} shows the next page", err=True)


def show_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="The dead letter.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one with the original record."""
    with refusals(as_json=as_json):
        body = connect(load_settings()).get(path_of("dead-letters", letter))
    if as_json:
        print_json(body)
        return
    print_facts({name: value for name, value in body.items() if name != "value"})
    typer.echo(f"value:\n{body['value'] if body['value'] is not None else '(none)'}")


def replay_letters(
    letters: Letters = None,
    every: Every = False,
    reason: Reason = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Try records again; those that are rejected again stay, and the exit status is 1."""
    api = connect(load_settings())
    chosen = _letters(api, letters, every=every, reason=reason, topic=topic)
    answers: list[Body] = []

    def perform(letter: str) -> Body:
        answers.append(answer := api.post(path_of("dead-letters", letter, "replay")))
        return answer

    act_on_each(chosen, perform, lambda letter, answer: f"{letter}: {_became(answer)}", as_json=as_json)
    rejected = [answer for answer in answers if answer["status"] == "rejected"]
    if rejected:
        raise NotSo(f"{len(rejected)} of {len(answers)} were rejected again")


def _became(answer: Body) -> str:
    return (
        f"rejected again: {answer['detail']} [{answer['code']}]" if answer["status"] == "rejected" else answer["status"]
    )


def discard_letters(
    letters: Letters = None,
    every: Every = False,
    reason: Reason = None,
    topic: Topic = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Let records go for good."""
    api = connect(load_settings())
    chosen = _letters(api, letters, every=every, reason=reason, topic=topic)
    if every:
        confirm(f"{len(chosen)} dead letters would be discarded", number=len(chosen), yes=yes)

    def perform(letter: str) -> Body:
        api.delete(path_of("dead-letters", letter))
        return {"id": letter, "discarded": True}

    act_on_each(chosen, perform, lambda letter, _answer: f"{letter} is discarded", as_json=as_json)


def _letters(
    api: Api, letters: Sequence[str] | None, *, every: bool, reason: str | None, topic: str | None
) -> list[str]:
    if bool(letters) == every or (letters and (reason or topic)):
        raise WrongUsage("name dead letters, or choose them by --all (with --reason and --topic, where wanted)")
    if letters:
        return list(letters)
    found: Iterator[dict[str, Any]] = api.list_all("/v1/dead-letters", {"reason": reason, "topic": topic})
    return [one["id"] for one in found]

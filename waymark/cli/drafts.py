"""`drafts list|show|approve|reject|take-back|edit|again`: the texts that a model drafted, looked at and decided."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from waymark.cli.client import Body, connect, path_of
from waymark.cli.errors import NotSo, WrongUsage
from waymark.cli.many import TOLD, act_on_each, confirm
from waymark.cli.output import AsJson, are, counted_words, in_words, instant, print_json, print_table, refusals
from waymark.cli.printable import printable
from waymark.settings import load_settings

Draft = Annotated[str, typer.Argument(help="The draft's id.", show_default=False)]
SomeDrafts = Annotated[list[str], typer.Argument(metavar="DRAFT...", help="Drafts, by id.", show_default=False)]
Reason = Annotated[str, typer.Option(help="What is wrong; the next text is told.", show_default=False)]
Again = Annotated[bool, typer.Option(help="Whether another text is to be written.")]
Drafts = Annotated[list[str] | None, typer.Argument(metavar="[DRAFT]...", help="Drafts, by id.", show_default=False)]
Journey = Annotated[str | None, typer.Option(help="Only of this journey.")]
Message = Annotated[str | None, typer.Option(help="Only of this message.")]
Language = Annotated[str | None, typer.Option(help="Only in this language (`de`; `own`: the message's own).")]
Value = Annotated[str | None, typer.Option(help="Only for this value of `per`.")]

COLUMNS = ("id", "journey", "message", "language", "for", "state", "findings", "subject", "created_at")


def add(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Drafted texts, looked at and decided. Example: waymark drafts list --state proposed",
    )
    group.command("list", epilog="Example: waymark drafts list --journey first-time-manager --state proposed")(
        list_drafts
    )
    group.command("show", epilog="Example: waymark drafts show drf-1b4d...")(show)
    group.command("approve", epilog="Example: waymark drafts approve --all --journey first-time-manager")(approve)
    group.command("reject", epilog="Example: waymark drafts reject drf-1b4d... --reason 'too long'")(reject)
    group.command("take-back", epilog="Example: waymark drafts take-back drf-1b4d... --reason 'the date is wrong'")(
        take_back
    )
    group.command("edit", epilog="Example: waymark drafts edit drf-1b4d... --file better.txt")(edit)
    group.command("again", epilog="Example: waymark drafts again drf-1b4d...")(again)
    app.add_typer(group, name="drafts")


def list_drafts(
    journey: Journey = None,
    message: Message = None,
    language: Language = None,
    value: Value = None,
    state: Annotated[
        str | None, typer.Option(help="Only wanted, proposed, approved, rejected, replaced or failed ones.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="`next` of the page before.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every page.")] = False,
    as_json: AsJson = False,
) -> None:
    """List drafts, the newest first."""
    api = connect(load_settings())
    filters = {"journey": journey, "message": message, "language": language, "value": value, "state": state}
    if all_:
        page: Body = {"items": list(api.list_all("/v1/drafts", filters)), "next": None}
    else:
        page = api.get("/v1/drafts", {**filters, "limit": limit, "cursor": cursor})
    if as_json:
        print_json(page)
        return
    print_table([_row(item) for item in page["items"]], COLUMNS, empty="no draft matches")
    if page["next"] is not None:
        typer.echo(f"there are more: --cursor {page['next']} shows the next page, --all every one", err=True)


def show(
    draft: Draft,
    prompt: Annotated[bool, typer.Option("--prompt", help="Also what the model was asked, exactly.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one draft: its text, what is wrong with it, what changed, how it would read."""
    with refusals(as_json=as_json):
        body = connect(load_settings()).get(path_of("drafts", draft))
    if as_json:
        print_json(body)
        return
    for line in told(body, is_coloured=sys.stdout.isatty(), with_prompt=prompt):
        typer.echo(line)


def approve(
    drafts: Drafts = None,
    all_: Annotated[
        bool, typer.Option("--all", help="All that are proposed of --journey; those with a hard finding are left.")
    ] = False,
    journey: Journey = None,
    message: Message = None,
    language: Language = None,
    value: Value = None,
    despite_findings: Annotated[
        bool, typer.Option("--despite-findings", help="Of those named: also where a hard finding stands against it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Of --all: only say how many, and which not.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Approve texts: those named, or all of a journey. From then on they are what is sent."""
    if bool(drafts) == all_:
        raise WrongUsage("name drafts, or say --all --journey JOURNEY")
    if drafts:
        api, body = connect(load_settings()), {"despite_findings": despite_findings}
        act_on_each(
            drafts,
            lambda draft: api.post(path_of("drafts", draft, "approve"), body),
            lambda draft, answer: f"{draft} is approved, by {answer['decided_by']}",
            as_json=as_json,
        )
        return
    if journey is None or despite_findings:
        raise WrongUsage("of many, say of which --journey; one with a hard finding is approved by its id alone")
    named = {"journey": journey, "message": message, "language": language, "value": value}
    _approve_all(
        {name: given for name, given in named.items() if given is not None},
        is_dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


def reject(
    drafts: SomeDrafts,
    reason: Reason,
    again: Again = True,
    as_json: AsJson = False,
) -> None:
    """Reject texts; others are written in their place, and told why."""
    api, body = connect(load_settings()), {"reason": reason, "again": again}
    act_on_each(
        drafts,
        lambda draft: api.post(path_of("drafts", draft, "reject"), body),
        lambda draft, answer: f"{draft} is rejected{_instead(answer['again'])}",
        as_json=as_json,
    )


def take_back(
    drafts: SomeDrafts,
    reason: Reason,
    again: Again = True,
    as_json: AsJson = False,
) -> None:
    """Take back the approval of texts: from then on the message's own words are sent, until another is approved."""
    api, body = connect(load_settings()), {"reason": reason, "again": again}
    act_on_each(
        drafts,
        lambda draft: api.post(path_of("drafts", draft, "take-back"), body),
        lambda draft, answer: f"{draft} is sent no more{_to_come(answer['again'])}",
        as_json=as_json,
    )


def edit(
    draft: Draft,
    file: Annotated[
        Path | None,
        typer.Option(help="The new text: the subject in the first line, then the body; `-` reads standard input."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a text, in your editor or from a file; the new one is a draft of its own, and waits for approval."""
    api = connect(load_settings())
    with refusals(as_json=as_json):
        text = _in_editor(api.get(path_of("drafts", draft))) if file is None else _read(file)
        answer = api.post(path_of("drafts", draft, "edit"), dict(zip(("subject", "body"), _parts(text), strict=True)))
    if as_json:
        print_json(answer)
        return
    typer.echo(f"{answer['id']} is {answer['state']}, in place of {draft}")
    for line in _findings(answer):
        typer.echo(line)


def again(
    drafts: SomeDrafts,
    as_json: AsJson = False,
) -> None:
    """Have another text written in place of one that failed, was rejected or taken back."""
    api = connect(load_settings())
    act_on_each(
        drafts,
        lambda draft: api.post(path_of("drafts", draft, "again")),
        lambda draft, answer: f"{answer['id']} is {answer['state']}, in place of {draft}",
        as_json=as_json,
    )


# --- in words -----------------------------------------------------------------------------------------------------


def told(body: Body, *, is_coloured: bool = False, with_prompt: bool = False) -> Iterator[str]:
    """A draft, line by line, fit for a terminal whatever its text holds."""
    yield f"{body['id']}: {printable(_about(body))}"
    yield printable(_standing(body))
    if body["body"] is not None:
        yield from _titled("", _text(body["subject"], body["body"]))
    if body["answer"]:
        yield from _titled("What came back instead of a text", _indented(body["answer"]))
    yield from _titled("What is wrong with it", list(_findings(body)))
    yield from _titled("It cannot be sent", [printable(f"  {why}") for why in body["unsendable"]])
    if body["difference"] is not None:
        yield from _titled(f"What changed since {body['difference']['since']}", _difference(body, is_coloured))
    if body["preview"] is not None:
        yield from _titled("As it would be read, with made-up values", _preview(body["preview"]))
    fallback = body["fallback"]
    yield from _titled("Where no draft is approved", _text(fallback["subject"], fallback["body"]))
    for title, texts in (
        ("Other languages", body["languages"]),
        ("Earlier", body["earlier"]),
        ("Later", body["later"]),
    ):
        yield from _titled(title, [printable(f"  {_other(one)}") for one in texts])
    if with_prompt and body["prompt"]:
        prompt = "\n\n".join(str(body["prompt"][part]) for part in ("system", "user") if part in body["prompt"])
        yield from _titled("What the model was asked", _indented(prompt))


def _row(item: Body) -> Mapping[str, Any]:
    shown = {name: None if item.get(name) is None else printable(str(item[name])) for name in ("subject", "language")}
    return {**item, **shown, "for": printable(_for(item)), "findings": _found(item["found"])}


def _for(item: Body) -> str:
    return str(item["learner"] or item["value"] or "all")


def _about(body: Body) -> str:
    language = f", in {body['language']}" if body["language"] else ""
    whom = f", for {_for(body)}" if body["per"] else ""
    return f"{body['message']} of {body['journey']}{whom}{language}"


def _standing(body: Body) -> str:
    wrote = f"by {body['written_by'] or body['model'] or 'a model'}"
    cost = body["cost"]
    told = [_became(body), f"text {body['number']}, {wrote}"]
    if cost["calls"]:
        tokens = cost["tokens_in"] + cost["tokens_out"]
        told.append(f"{counted_words(cost['calls'], 'call')}, {counted_words(tokens, 'token')}")
    if body["wanted_by"]:
        told.append(f"asked for by {body['wanted_by']}")
    if body["reason"]:
        told.append(f"because: {body['reason']}")
    if not body["is_ordered"]:
        told.append("the running version does not ask for it")
    return "; ".join(told)


def _became(body: Body) -> str:
    """Its state, and by whom: of one that is replaced, who had approved it, and who took that back."""
    parts = [body["state"]]
    approved = _by(body, "decided") + _despite(body["approved_despite"])
    if body["state"] != "replaced":
        return f"{body['state']}{approved}"
    if approved:
        parts = [f"approved{approved}", "replaced"]
    if body["taken_back_at"]:
        parts[-1] = f"taken back{_by(body, 'taken_back')}"
    return ", ".join(parts)


def _by(body: Body, what: str) -> str:
    at = instant(body[f"{what}_at"] or "")
    return "" if at is None else f" by {body[f'{what}_by']} on {in_words(at)}"


def _despite(hard: int | None) -> str:
    return f", in spite of {counted_words(hard, 'hard finding')}" if hard else ""


def _findings(body: Body) -> Iterator[str]:
    for finding in body["findings"]:
        quote = f': "{finding["quote"]}"' if finding["quote"] else ""
        yield printable(f"  {finding['severity']}  {finding['check']}: {finding['detail']}{quote}")


def _found(found: Mapping[str, int]) -> str | None:
    return ", ".join(f"{number} {word}" for word, number in found.items() if number) or None


def _text(subject: str | None, body: str | None) -> list[str]:
    return [*([f"  {printable(subject)}"] if subject else []), *_indented(body or "")]


def _indented(text: str) -> list[str]:
    return [f"  {printable(line)}".rstrip() for line in text.splitlines()]


def _preview(preview: Body) -> list[str]:
    if preview["problem"] is not None:
        return [printable(f"  it cannot be: {preview['problem']}")]
    link = preview["link"]
    shown = [] if link is None else [printable(f"  [{link['label']}] {link['url']}")]
    return [*_text(preview["subject"], preview["text"]), *shown]


def _difference(body: Body, is_coloured: bool) -> list[str]:
    lines: list[str] = []
    for part in ("subject", "body"):
        text = "".join(_changed(change, is_coloured) for change in body["difference"][part])
        lines += [f"  {line}".rstrip() for line in text.split("\n")]
    return lines


def _changed(change: Body, is_coloured: bool) -> str:
    """A change: coloured, or between marks; each of its lines by itself."""
    return "\n".join(_marked(change["kind"], printable(line), is_coloured) for line in change["text"].split("\n"))


def _marked(kind: str, text: str, is_coloured: bool) -> str:
    if kind == "same" or not text:
        return text
    if is_coloured:
        return typer.style(text, fg="red", strikethrough=True) if kind == "removed" else typer.style(text, fg="green")
    return f"[-{text}-]" if kind == "removed" else f"{{+{text}+}}"


def _other(text: Body) -> str:
    language = f" ({text['language'] or 'own language'})"
    why = f": {text['reason']}" if text["reason"] else f": {text['subject']}" if text["subject"] else ""
    return f"{text['id']}{language} {_became(text)}{why}"


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        if title:
            yield title
        yield from lines


# --- done ---------------------------------------------------------------------------------------------------------


def _approve_all(chosen: Body, *, is_dry_run: bool, yes: bool, as_json: bool) -> None:
    """Those that are proposed now: what comes while somebody makes up her mind is not among them."""
    api = connect(load_settings())
    with refusals(as_json=as_json):
        ids = [item["id"] for item in api.list_all("/v1/drafts", {**chosen, "state": "proposed"})]
        wanted: Body = {"ids": ids[::-1]} if ids else {"filter": chosen}
        looked_at = api.post("/v1/drafts/approve", {**wanted, "dry_run": True})
        may = looked_at["total"] - looked_at["failed"]
        what = f"{may} of {counted_words(looked_at['total'], 'draft')} would be approved"
        if is_dry_run:
            if as_json:
                print_json(looked_at)
            else:
                typer.echo("\n".join([what, *_left(looked_at)]))
            return
        for line in _left(looked_at):
            typer.echo(line, err=True)
        confirm(what, number=may, yes=yes)
        done = api.post("/v1/drafts/approve", wanted) if may and ids else looked_at
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{done['done']} of {counted_words(done['total'], 'draft')} {are(done['done'])} approved")
    if done["failed"]:
        raise NotSo("\n".join([f"{done['failed']} of {done['total']} {are(done['failed'])} left:", *_left(done)]))


def _left(answer: Body) -> list[str]:
    lines = [
        printable(
            f"{one['draft']} ({one['message'] or '?'}, {one['value'] or 'all'}, {one['language'] or 'own language'}): "
            f"{one['detail']} [{one['code']}]"
        )
        for one in answer["could_not"][:TOLD]
    ]
    more = answer["failed"] - len(lines)
    return [*lines, *([f"... and {more} more"] if more else [])]


def _instead(wanted: str | None) -> str:
    return "" if wanted is None else f"; {wanted} is written in its place"


def _to_come(wanted: str | None) -> str:
    """It may be written already, and wait for its approval."""
    return "" if wanted is None else f"; {wanted} is to stand in its place"


def _in_editor(body: Body) -> str:
    if not sys.stdin.isatty():
        raise WrongUsage("say with --file what the text is to be: the subject in the first line, then the body")
    text = click.edit(f"{body['subject'] or ''}\n\n{body['body'] or ''}\n", extension=".txt")
    if text is None:
        raise NotSo("nothing was changed")
    return text


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongUsage(f"cannot read {file}: {why}") from None


def _parts(text: str) -> tuple[str, str]:
    """Subject and body."""
    subject, _, body = text.strip().partition("\n")
    return subject.strip(), body.strip()

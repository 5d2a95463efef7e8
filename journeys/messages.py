"""The `messages` of a definition: texts, links, a channel's own wording, what a writer is to draft. What is wrong is
reported at its cursor.
"""

import re
from collections.abc import Mapping

from journeys.composing import SAFE_LINKS
from journeys.definition import Cursor, Printed, clip, judge_variable, place_in
from journeys.drafting.order import LINK, LONGEST_DATA, LONGEST_LINE, PLACEHOLDER, PLAIN, kind_of
from journeys.drafting.personal import is_personal
from journeys.expressions import Scope
from journeys.problems import did_you_mean
from journeys.program import Draft, Expression, Link, Message, Wording
from journeys.source import Map, Scalar
from journeys.templates import Variable

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


def messages_of(given: Cursor) -> dict[str, Message]:
    """The messages by name; each is judged by itself."""
    if not isinstance(given.node, Map):
        given.wrong("a map of messages by name")
        return {}
    messages: dict[str, Message] = {}
    for name, entry in given.entries().items():
        entry.named(name, "a message")
        messages[name] = _message(name, entry)
    return messages


def _message(name: str, given: Cursor) -> Message:
    channels = sorted(given.judging.vocabulary.known_channels)
    fields = given.fields(("subject", "body", "link", "languages", "draft", *channels)) or {}
    ours = _wording(fields, channels, has_link="link" in fields)
    languages = _languages(fields["languages"], channels, has_link="link" in fields) if "languages" in fields else {}
    draft = _draft(fields["draft"], has_link="link" in fields) if "draft" in fields else None
    if "draft" in fields and "body" not in fields and not ours.channels:
        detail = f"the draft has no fallback: without `body`, {_FALLBACK}"
        fields["draft"].report("missing_key", detail, allowed=("body",), at=fields["draft"].key_at)
    return Message(name, ours.subject, ours.body, ours.link, ours.channels, languages, draft=draft)


_FALLBACK = "there is nothing to send where no approved draft is at hand"


def _wording(fields: Mapping[str, Cursor], channels: list[str], *, has_link: bool) -> Wording:
    def text_of(key: str) -> str | None:
        return fields[key].template(has_link=has_link) if key in fields else None

    own = {channel: text for channel in channels if (text := text_of(channel)) is not None}
    link = _link(fields["link"]) if "link" in fields else None
    return Wording(text_of("subject"), text_of("body"), link, own)


def _languages(given: Cursor, channels: list[str], *, has_link: bool) -> dict[str, Wording]:
    """The wordings by language tag; what one lacks is the message's own."""
    if not isinstance(given.node, Map):
        given.wrong("a map of wordings by language: {de: {subject, body}}")
        return {}
    found: dict[str, Wording] = {}
    for tag, entry in given.entries().items():
        if not _TAG.fullmatch(tag):
            allowed = ("a BCP 47 tag: de, pt-BR",)
            entry.report("bad_language", f"{clip(tag)!r} is no language", allowed=allowed, at=entry.key_at)
        fields = entry.fields(("subject", "body", "link", *channels)) or {}
        if not fields and isinstance(entry.node, Map):
            entry.report(
                "empty", f"the wording for {clip(tag)} is empty", allowed=("subject", "body", "link", *channels)
            )
        found[tag] = _wording(fields, channels, has_link=has_link or "link" in fields)
    return found


def _link(given: Cursor) -> Link | None:
    fields = given.fields(("label", "url"), required=("label", "url")) or {}
    label = fields["label"].template(has_link=False) if "label" in fields else None
    url = fields["url"].template(has_link=False) if "url" in fields else None
    if url is not None and not url.strip().startswith((*SAFE_LINKS, "{{", "{%")):
        detail = f"{clip(url)!r} is no address of a page"
        fields["url"].report("bad_value", detail, allowed=[f"{beginning}..." for beginning in SAFE_LINKS])
    return None if label is None or url is None else Link(label, url)


# --- drafts -------------------------------------------------------------------------------------------------------

_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_USABLE = ("learner.<field>", "entry.at", "entry.key", "entry.data.<field>", "vars.<name>")
_LEAST_WORDS, _MOST_WORDS = 5, 500


def _draft(given: Cursor, *, has_link: bool) -> Draft | None:
    """What a writer is to draft; None where there is no brief, which has been reported."""
    fields = given.fields(("brief", "tone", "max_words", "uses", "per"), required=("brief",)) or {}
    brief = _short(fields["brief"], LONGEST_DATA) if "brief" in fields else None
    tone = _short(fields["tone"], LONGEST_LINE) if "tone" in fields else None
    max_words = fields["max_words"].integer(_LEAST_WORDS, _MOST_WORDS) if "max_words" in fields else None
    uses = _uses(fields["uses"], has_link=has_link) if "uses" in fields else ()
    per = _per(fields["per"]) if "per" in fields else None
    for key, text in (("brief", brief), ("tone", tone)):
        if text is not None:
            _look_at_braces(fields[key], text, uses, has_link=has_link)
    return None if brief is None else Draft(brief, tone, max_words, uses, per)


def _look_at_braces(given: Cursor, text: str, uses: tuple[str, ...], *, has_link: bool) -> None:
    """Report what stands in braces and is no placeholder of the draft: no text that has it is ever clean."""
    if not isinstance(given.node, Scalar):
        return
    allowed = (*uses, *((LINK,) if has_link else ()))
    for match in PLACEHOLDER.finditer(text):
        plain = PLAIN.fullmatch(match[1])
        if plain is not None and plain[1] in allowed:
            continue
        detail = f"{clip(match[0])} is no placeholder that the text may have: each text with it would be sent back"
        shown = [f"{{{{ {path} }}}}" for path in allowed]
        path = _PATH.match(match[1].strip())
        at = place_in(given.node, 1 + text.count("\n", 0, match.start()), match.start() + 1)
        given.report("not_in_uses", detail, allowed=shown, suggestion=_instead(path and path[0], allowed), at=at)


def _instead(path: str | None, allowed: tuple[str, ...]) -> str:
    """What to do about braces that begin with this path, if with any."""
    if path in allowed:
        return f"write {{{{ {path} }}}} and nothing else in the braces"
    if path == LINK:
        return "give the message a link, or say it in words"
    if path is not None and path.startswith(("learner.", "entry.", "vars.")):
        return f"name {path} under `uses`, or say it in words"
    return "say it in words"


def _short(given: Cursor, longest: int) -> str | None:
    found = given.text()
    if found is not None and len(found) > longest:
        given.report("bad_value", f"the text has {len(found)} characters", allowed=(f"at most {longest} characters",))
        return None
    return found


def _uses(given: Cursor, *, has_link: bool) -> tuple[str, ...]:
    """The placeholders that the writer may use, each known as a template's variable is, and printable."""
    entries = given.items("a list of fields: [learner.role, entry.data.starts_on]") or []
    return tuple(dict.fromkeys(path for entry in entries if (path := _use(entry, has_link=has_link)) is not None))


def _use(given: Cursor, *, has_link: bool) -> str | None:
    found = given.text(wanted="a text with the path of a field")
    if found is None or not isinstance(given.node, Scalar):
        return None
    path = tuple(found.split("."))
    if not _PATH.fullmatch(found):
        detail = f"{clip(found)!r} is no path of a field"
        given.report("bad_value", detail, allowed=_USABLE, suggestion="write it without braces: learner.role")
        return None
    if path[0] == LINK:
        detail = "`link` is no field: a draft may always print the message's own link"
        given.report("bad_value", detail, allowed=_USABLE, suggestion="leave it out" if has_link else "give it a link")
        return None
    allowed, suggestion = judge_variable(path, has_link=has_link) or ((), None)
    if path[0] not in ("learner", "entry", "vars"):
        allowed, suggestion = _USABLE, did_you_mean(path[0], ("learner", "entry", "vars"))
    elif not allowed and (path in (("entry",), ("entry", "data"), ("vars",)) or kind_of(found) in ("map", "list")):
        allowed, suggestion = _USABLE, "name one field of it"
    if allowed:
        detail = f"nothing that a draft could print is known as {clip(found)!r}"
        given.report("unknown_variable", detail, allowed=allowed, suggestion=suggestion)
        return None
    at = (given.node.line, given.node.column)
    given.judging.printed.append(Printed(given, Variable(path, 1), at))
    return found


def _per(given: Cursor) -> Expression | None:
    """The expression for each of whose values a text is drafted; `learner` stands for each learner by herself."""
    if isinstance(given.node, Scalar) and given.node.value in ("learner", "learner.id"):
        detail = 'a text for each learner is drafted only where the policy says "drafts": {"per_learner": true}'
        hint = "elsewhere the fallback goes out"
        given.report("per_learner", detail, allowed=("an expression",), suggestion=hint, severity="warning")
        return Expression("learner.id", ("learner.id",))
    found = given.expression(Scope.STEP, "value")
    told = [] if found is None else [path for path in found.reads if is_personal(path)]
    if told:
        detail = f"`per` reads {', '.join(told)}: its value is told to the writer, who is never told who somebody is"
        hint = "per: learner drafts a text for each learner, and tells nothing of her"
        if told == ["entry.key"]:
            hint = "name what the key is made of, where many share it: entry.data.course"
        given.report("personal_value", detail, allowed=("learner.role", "learner.country"), suggestion=hint)
    return found


# --- the whole ----------------------------------------------------------------------------------------------------


def look_at_texts(entry: Cursor, channels: tuple[str, ...]) -> None:
    """Report what a message lacks for the channels through which steps send it."""
    given = entry.entries()
    known = entry.judging.vocabulary.known_channels
    silent = [channel for channel in channels if channel not in given and "body" not in given]
    is_told = "draft" in given and known.isdisjoint(given)  # a draft without any text to fall back on
    if silent and not is_told:
        detail = f"the message has no `body`, and no wording of its own for {', '.join(silent)}"
        if "draft" in given:
            detail += f": {_FALLBACK}"
        entry.report("missing_key", detail, allowed=("body", *silent), at=entry.key_at)
    if "email" in channels and "subject" not in given:
        detail = "an email without `subject` goes with the journey's title"
        entry.report("no_subject", detail, allowed=("subject",), at=entry.key_at, severity="warning")

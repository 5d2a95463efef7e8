"""The two bodies of an e-mail from one Markdown text: plain text and HTML. Pure.

Raw HTML in the Markdown is shown as text, never obeyed, and what comes out is sanitised once more. Bare addresses of
the web become links.
"""

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from connectors.outgoing import OutgoingLink

LINK_SCHEMES = {"http", "https", "mailto", "tel"}
_markdown = MarkdownIt("commonmark", {"html": False})
_BARE_URL = re.compile(r"""https?://[^\s<>"]*[^\s<>".,;:!?)\]'*_]""")
SEPARATOR = "\n-- \n"
"""What stands between the text of a letter and what is no part of it (RFC 3676, section 4.3)."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_PAGE = """\
<!doctype html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;color:#1c2530">
<div style="max-width:36em;margin:0 auto">
{body}{button}{footer}</div>
</body></html>
"""
_BUTTON = (
    '<p style="margin:24px 0"><a href="{url}" style="display:inline-block;padding:10px 18px;border-radius:6px;'
    'background:#1f5fbf;color:#ffffff;text-decoration:none">{label}</a></p>\n'
)
_FOOTER = '<p style="margin:32px 0 0;font-size:13px"><a href="{url}" style="color:#66717f">{words}</a></p>\n'
_WHY = "Why did I get this?"


def cleaned(text: str) -> str:
    """The text as a mail can carry it: no control characters, no half surrogates."""
    return _CONTROL.sub("", text.encode(errors="replace").decode())


def one_line(text: str) -> str:
    """The text as a header can carry it."""
    return " ".join(cleaned(text).split())


def html_part(text: str, link: OutgoingLink | None, *, why: str | None = None) -> str:
    """The HTML body: the text, then the link as a button unless the text has it already; last and quiet, where the
    reader learns why she got it.
    """
    return _html(_parse(cleaned(text)), text, link, why)


def _html(tokens: Sequence[Token], text: str, link: OutgoingLink | None, why: str | None) -> str:
    body = nh3.clean(_markdown.renderer.render(tokens, _markdown.options, {}), url_schemes=LINK_SCHEMES)
    has_button = link is not None and not _is_in(link, text) and urlsplit(link.url).scheme.lower() in LINK_SCHEMES
    button = _BUTTON.format(url=escape(link.url), label=escape(_label(link))) if link is not None and has_button else ""
    footer = "" if why is None else _FOOTER.format(url=escape(why), words=_WHY)
    return _PAGE.format(body=body, button=button, footer=footer)


def text_part(text: str, link: OutgoingLink | None, *, why: str | None = None) -> str:
    """The plain body: the text without marks, then the link unless the text has it already; below the line that mail
    programs take for the end of the text, where the reader learns why she got it.
    """
    return _plain(_parse(cleaned(text)), text, link, why)


def both_parts(text: str, link: OutgoingLink | None, *, why: str | None = None) -> tuple[str, str]:
    """The plain and the HTML body; the text is parsed once."""
    tokens = _parse(cleaned(text))
    return _plain(tokens, text, link, why), _html(tokens, text, link, why)


def _plain(tokens: Sequence[Token], text: str, link: OutgoingLink | None, why: str | None) -> str:
    footer = "" if why is None else f"{SEPARATOR}{_WHY} {why}\n"
    blocks = _Plain(tokens).text()
    if link is None or _is_in(link, text):
        return f"{blocks}\n{footer}"
    return f"{blocks}\n\n{_label(link)}: {cleaned(link.url)}\n{footer}".lstrip("\n")


def _is_in(link: OutgoingLink, text: str) -> bool:
    return link.url in text


def _label(link: OutgoingLink) -> str:
    return one_line(link.label) or cleaned(link.url)


def _parse(text: str) -> list[Token]:
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.children:
            token.children = _with_bare_links(token.children)
    return tokens


def _with_bare_links(children: Sequence[Token]) -> list[Token]:
    """Addresses of the web that stand in the text as they are become links, outside of links."""
    out: list[Token] = []
    depth = 0
    for token in children:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        out += _split_at_urls(token) if token.type == "text" and depth == 0 else [token]
    return out


def _split_at_urls(token: Token) -> list[Token]:
    out: list[Token] = []
    rest = 0
    for found in _BARE_URL.finditer(token.content):
        out += [
            _text(token.content[rest : found.start()]),
            Token("link_open", "a", 1, attrs={"href": found.group()}),
            _text(found.group()),
            Token("link_close", "a", -1),
        ]
        rest = found.end()
    return [*out, _text(token.content[rest:])]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


class _Plain:
    """Walks the tokens once and collects lines; `_indents` is what begins each line of the open blocks."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._lines: list[str] = []
        self._indents: list[str] = []
        self._marker: str | None = None
        self._numbers: list[int | None] = []
        self._is_tight = False
        self._gap_within: list[str] | None = None
        for token in tokens:
            self._take(token)

    def text(self) -> str:
        return "\n".join(self._lines).strip("\n")

    def _take(self, token: Token) -> None:
        match token.type:
            case "inline":
                self._add(_inline(token.children or []))
            case "fence" | "code_block":
                self._add("\n".join(f"    {line}" for line in token.content.rstrip("\n").split("\n")))
                self._gap()
            case "hr":
                self._add("-" * 20)
                self._gap()
            case "bullet_list_open" | "ordered_list_open":
                start = int(str(token.attrs.get("start", 1)))
                self._numbers.append(start if token.type == "ordered_list_open" else None)
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
                if not self._numbers:
                    self._gap()
            case "list_item_open":
                self._open_item()
            case "blockquote_open":
                self._indents.append("> ")
            case "list_item_close" | "blockquote_close":
                self._indents.pop()
            case "paragraph_open" | "heading_open":
                self._is_tight = token.hidden
            case "paragraph_close" | "heading_close" if not self._is_tight:
                self._gap()
            case _:
                pass

    def _open_item(self) -> None:
        number = self._numbers[-1]
        self._marker = "- " if number is None else f"{number}. "
        if number is not None:
            self._numbers[-1] = number + 1
        self._indents.append(" " * len(self._marker))

    def _add(self, text: str) -> None:
        self._close_gap()
        for line in text.split("\n"):
            indents = self._indents
            if self._marker is not None:
                indents, self._marker = [*indents[:-1], self._marker], None
            self._lines.append(("".join(indents) + line).rstrip())

    def _gap(self) -> None:
        """An empty line is to come before what follows, in the blocks that were open here and still are then."""
        self._gap_within = list(self._indents)

    def _close_gap(self) -> None:
        if self._gap_within is not None and self._lines:
            self._lines.append("".join(min(self._gap_within, self._indents, key=len)).rstrip())
        self._gap_within = None


def _inline(children: Sequence[Token]) -> str:
    """The words of one paragraph; a link is followed by its address where its words are another."""
    out: list[str] = []
    opened: list[tuple[int, str]] = []
    for token in children:
        match token.type:
            case "softbreak" | "hardbreak":
                out.append("\n")
            case "link_open":
                opened.append((len(out), str(token.attrs.get("href", ""))))
            case "link_close":
                start, url = opened.pop()
                words = "".join(out[start:])
                out.append("" if words == url or url.removeprefix("mailto:") == words else f" ({url})")
            case _:
                out.append(token.content)
    return "".join(out)

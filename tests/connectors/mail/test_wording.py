"""The two bodies of an e-mail."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mail.wording import html_part, one_line, text_part
from connectors.outgoing import OutgoingLink

LINK = OutgoingLink("See the guide", "https://learn.example.com/g?a=1&b=2")


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("Hello **Ada**, *well* done", "Hello Ada, well done"),
        ("one\ntwo\n\nthree", "one\ntwo\n\nthree"),
        ("# Title\n\ntext", "Title\n\ntext"),
        ("- one\n- two\n  more\n- three\n\nafter", "- one\n- two\n  more\n- three\n\nafter"),
        ("3. one\n4. two", "3. one\n4. two"),
        ("- one\n  - inner\n- two\n\nafter", "- one\n  - inner\n- two\n\nafter"),
        ("- one\n\n  more\n- two", "- one\n\n  more\n\n- two"),
        ("> said\n> so\n\nafter", "> said\n> so\n\nafter"),
        ("[the guide](https://x.example/g)", "the guide (https://x.example/g)"),
        ("<https://x.example/g>", "https://x.example/g"),
        ("see https://x.example/a_b_c.", "see https://x.example/a_b_c."),
        ("<ada@x.example>", "ada@x.example"),
        ("![a chart](https://x.example/c.png)", "a chart"),
        ("`code` and\n\n    block\n      more", "code and\n\n    block\n      more"),
        ("a<b>c</b>", "a<b>c</b>"),
        ("---", "--------------------"),
        ("", ""),
    ],
)
def test_the_plain_part_reads_as_a_person_would_type_it(markdown: str, plain: str) -> None:
    """Marks fall away, structure stays, a link is followed by its address."""
    assert text_part(markdown, None) == plain + "\n"


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,boo)",
        "[x](  javascript:alert(1)  )",
        "<javascript:alert(1)>",
        '[x](https://x.example "a\\" onclick=\\"alert(1)")',
        "https://x.example/<script>alert(1)</script>",
    ],
)
def test_nothing_hostile_becomes_html(hostile: str) -> None:
    """Raw HTML is shown as text, and no link runs anything."""
    html = html_part(hostile, None)
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert 'href="data' not in html
    assert ' onclick="' not in html


def test_a_link_is_a_button_and_a_line() -> None:
    """The link stands in both parts once, escaped where it must be."""
    assert 'href="https://learn.example.com/g?a=1&amp;b=2"' in html_part("Hello", LINK)
    assert text_part("Hello", LINK) == "Hello\n\nSee the guide: https://learn.example.com/g?a=1&b=2\n"
    assert text_part("", LINK) == "See the guide: https://learn.example.com/g?a=1&b=2\n"


def test_a_bare_address_is_a_link_without_its_full_stop() -> None:
    """An address in the text can be clicked; the punctuation after it is none of it."""
    html = html_part("Go to https://x.example/g?a=1&b=2, now.", None)
    assert 'href="https://x.example/g?a=1&amp;b=2"' in html
    assert "</a>, now." in html


def test_a_button_only_leads_where_a_mail_may_lead() -> None:
    """A link of another scheme is no button; the text part still says it."""
    link = OutgoingLink("Run <b>", "javascript:alert(1)")
    assert "javascript" not in html_part("Hello", link)
    assert "&lt;b&gt;" in html_part("Hello", OutgoingLink("Run <b>", "https://x.example"))


def test_a_header_is_one_line() -> None:
    """Line ends and control characters leave a header."""
    assert one_line(" a\r\nb\t\x00c\x7f ") == "a b c"


@given(st.text(max_size=200), st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_said(text: str, label: str, url: str) -> None:
    """Whatever a template gave, both parts are made and can be encoded."""
    link = OutgoingLink(label, url)
    html_part(text, link).encode()
    text_part(text, link).encode()


WHY = "https://learning.example.org/w/dlv-1.c-_Z"


def test_why_it_came_is_the_last_and_quiet_line() -> None:
    """Below the line that mail programs take for the end of a letter, and small below all else; with a link or
    without, and of an empty text too.
    """
    assert text_part("Hello", LINK, why=WHY).endswith(f"{LINK.url}\n\n-- \nWhy did I get this? {WHY}\n")
    assert text_part("Hello", None, why=WHY) == f"Hello\n\n-- \nWhy did I get this? {WHY}\n"
    assert text_part("", LINK, why=WHY).startswith("See the guide")
    html = html_part("Hello", LINK, why=WHY)
    assert html.index(LINK.label) < html.index(f'<a href="{WHY}"') < html.index("Why did I get this?</a></p>\n</div>")


def test_without_an_address_nothing_is_said_of_why() -> None:
    """No empty line, no separator."""
    assert "Why did I" not in html_part("Hello", LINK) + text_part("Hello", LINK)
    assert "-- " not in text_part("Hello", LINK)

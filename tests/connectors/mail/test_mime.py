"""The written form of a letter: what is read from it is what was put in, as Python's own `email` reads it."""

import email.policy
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mail.mime import written

WIRE = email.policy.SMTP.clone(cte_type="7bit", linesep="\n")
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\x85")
LINES = st.lists(st.text(CHARACTERS, max_size=200), min_size=1, max_size=6).map("\n".join)


def letter(
    *, subject: str = "Hello", to: Address | None = None, text: str = "text", html: str = "<p>html</p>"
) -> bytes:
    headers = {"To": to or Address("", "ada", "example.org"), "Subject": subject}
    return written(headers, text=text, html=html, key="dlv-1", policy=WIRE)


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=email.policy.default)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    assert body is not None
    return body.get_content()


@given(text=LINES, html=LINES)
def test_both_parts_come_out_as_they_went_in(text: str, html: str) -> None:
    """In whatever encoding they went; a last line end is added where there was none."""
    message = read(letter(text=text, html=html))
    expected = [f"{each.removesuffix(chr(10))}\n" for each in (text, html)]
    assert expected == [part(message, "plain"), part(message, "html")]
    assert [] == message.defects


@given(text=LINES, html=LINES)
def test_no_line_is_too_long_for_a_server_and_all_is_ascii(text: str, html: str) -> None:
    """Old servers carry 7 bits, and 998 characters a line."""
    content = letter(text=text, html=html)
    assert content.isascii()
    assert 998 >= max(map(len, content.splitlines()))


@given(subject=st.text(CHARACTERS, max_size=300).map(lambda text: " ".join(text.split())))
def test_a_subject_comes_out_as_it_went_in(subject: str) -> None:
    """Short, long, and in any script."""
    assert subject == str(read(letter(subject=subject))["Subject"])


@pytest.mark.parametrize(
    "address",
    [
        Address("", "ada", "example.org"),
        Address("Ada King, née Byron", "ada", "example.org"),
        Address("", "a" * 64, "b" * 60 + ".example.org"),
        Address("", "odd'one!", "example.org"),
        Address("", "two words", "example.org"),
    ],
)
def test_an_address_comes_out_as_it_went_in(address: Address) -> None:
    """Whether it needs quoting, folding, or neither."""
    found = read(letter(to=address))["To"].addresses
    assert [(address.display_name, address.addr_spec)] == [(each.display_name, each.addr_spec) for each in found]


def test_a_text_that_holds_the_boundary_is_no_end() -> None:
    """Whoever writes a text cannot end its part."""
    text = "before\n--=_dlv-1--\nafter\n"
    assert text == part(read(letter(text=text)), "plain")

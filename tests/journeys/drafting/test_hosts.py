"""What is a host in a text, and what only looks like one."""

import subprocess
import sys

import pytest

from journeys.drafting.hosts import hosts_in, is_ending


def found(text: str) -> list[str]:
    """The hosts of a text, by their own words."""
    return [words for _, words in hosts_in(text)]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("at waymark-login.xyz/start now", "waymark-login.xyz/start"),
        ("at login.ru.", "login.ru"),
        ("at kurse.top, now", "kurse.top"),
        ("(kurse.academy)", "kurse.academy"),
        ("at portal.firm.internal", "portal.firm.internal"),
        ("at bücher.example.みんな", "bücher.example.みんな"),
        ("at bücher。みんな", "bücher。みんな"),
        ("at भारत.भारत", "भारत.भारत"),
        ("at пример.рф", "пример.рф"),
        ("at xn--bcher-kva.xn--q9jyb4c", "xn--bcher-kva.xn--q9jyb4c"),
        ("at PORTAL.TOP", "PORTAL.TOP"),
        ("at Portal.Com", "Portal.Com"),
        ("at Portal.Top/login", "Portal.Top/login"),
        ("at portal.top:8443", "portal.top:8443"),
        ("at portal.com-today", "portal.com-today"),
        ("at portal.com.Then", "portal.com.Then"),
        ("...portal.top", "portal.top"),
        ("at t.me/portal", "t.me/portal"),
        ("at x.com", "x.com"),
        ("at portal[.]top", "portal[.]top"),
        ("at portal (dot) top", "portal (dot) top"),
        ("at a{.}portal{.}top", "a{.}portal{.}top"),
        ("at 10[.]1[.]2[.]3", "10[.]1[.]2[.]3"),
        ("at portal dot com", "portal dot com"),
        ("bei portal punkt com", "portal punkt com"),
        ("at portal . top", "portal . top"),
        ("at portal .com", "portal .com"),
        ("at portal. com", "portal. com"),
        ("It ends. das . com", "das . com"),
        ("at 10.1.2.3/login", "10.1.2.3/login"),
        ("at 192.168.0.1.", "192.168.0.1"),
        ("at [2001:db8::1]/x", "2001:db8::1"),
        ("at localhost", "localhost"),
        ("in handout.zip", "handout.zip"),
        ("It is done.so there", "done.so"),
    ],
)
def test_a_host_is_found(text: str, host: str) -> None:
    """Whatever it ends in, however its dots are written, by name or by number."""
    assert [host] == found(text)


@pytest.mark.parametrize(
    "text",
    [
        "e.g. this, i.e. that, at 9 a.m. or 5 p.m., z.B. so, z. B. in der Übung, d.h. am Tag, u.a. im Team",
        "z.B.in der Übung, 5.am, i.d.R. so, p.ex. ici, p. ej. aquí, S.A.S., S.L., EE. UU., RR.HH., Ph.D., B.Sc., M.Ed.",
        "9.30 to 10.15, 3.5 hours, 12.06.2026, 1.2.3, 10.000, 1.000.000, 10:30:00, 24/7, 3.10.2.999, Kapitel 4.2.",
        "report.pdf, sheet.xlsx, Node.js, D3.js, photo.jpg, notes.docx, a .NET course, the ending .md",
        "It is done.Then go on.You may.So it is.Es geht.In der Woche.Me too",
        "It is done. so it goes. it is. am Ende",
        "GmbH & Co.KG, Acme.Corp, St.Gallen, Nr.12, Abs.2, the firm.IT helps",
        "wait...so, wait…is, und/oder, A/B, Dr. med. Meier, Kurs (Punkt) 3",
        "the dot in the middle, auf den Punkt am Ende, le point de départ",
        "Feedback: a::b, 10:30, :: and ::: , 1:2:3",
        "完成。公司将会通知你。",
        "",
        "...",
        "-.-.-",
    ],
)
def test_what_only_looks_like_one_is_none(text: str) -> None:
    """Abbreviations, numbers, times, files, a space that was forgotten before a new sentence."""
    assert [] == found(text)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        *(("com", True), ("COM", True), ("みんな", True), ("xn--q9jyb4c", True), ("ck", True), ("local", True)),
        *(("pdf", False), ("js", False), ("", False), ("co.uk", False), ("a b", False), ("\ud800", False)),
        ("x" * 999, False),
    ],
)
def test_endings_are_those_of_the_list(label: str, expected: bool) -> None:
    """And those that firms use inside; no text breaks it."""
    assert expected is is_ending(label)


def test_the_list_is_read_where_a_draft_is_looked_at_alone() -> None:
    """Every process imports the checks."""
    code = "import sys, journeys.drafting.findings; sys.exit('publicsuffixlist' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

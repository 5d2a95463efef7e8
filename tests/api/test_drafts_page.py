"""The page of drafts: what it is by plain HTTP, and what it does in a real browser over the real API and store."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from journeys.drafting.choosing import Wanted
from journeys.drafting.findings import look_at
from journeys.drafting.order import DraftText, order_for, order_key, prompt_of
from journeys.program import Program
from store.queries import drafts
from store.tables import DraftRow
from tests.support.api import KEY, Api
from tests.support.browser import CHROMIUM, Tab, browsing
from tests.support.compiling import compiled

JOURNEY = """\
waymark: 1
journey: first-weeks
title: First weeks
enter: [{on: hr.learner.promoted}]
steps: [{send: hello}]
messages:
  hello:
    draft: {brief: Say that the course is open., uses: [learner.given_name], per: learner.role}
    subject: Your course
    body: Hello, the course is open.
"""
GOOD = DraftText("Your course", "Hello {{ learner.given_name }}, the course is open.")
HARD = DraftText("Your course", "Hurry, {{ learner.given_name }}: the course is open. Call {{ learner.phone }}.")
PRESSING = DraftText("Your course", "Hurry, {{ learner.given_name }}: the course is open.")
HOSTILE = DraftText(
    "<img src=x onerror=\"document.title='broken'\">",
    "<script>document.title='broken'</script> [here](javascript:document.title='broken') {{ learner.given_name }}",
)

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The page knows the API alone; that goes on either database."""
    return sqlite_url


# --- by plain HTTP ------------------------------------------------------------------------------------------------


async def _page(api: Api, method: str = "GET") -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as anybody:
        return await anybody.request(method, "/drafts")


async def test_the_page_is_the_same_for_everybody_and_holds_nothing(api: Api) -> None:
    """Whoever asks, with drafts or without: what is in it comes from the API, to who has a key."""
    before = await _page(api)
    await _propose(api, [GOOD])
    after = await _page(api)
    assert (200, before.text) == (after.status_code, after.text)
    assert (200, b"") == ((head := await _page(api, "HEAD")).status_code, head.content)
    assert 405 == (await _page(api, "POST")).status_code


async def test_only_its_own_style_and_script_run_and_speak_to_this_api_alone(api: Api) -> None:
    """Both by their hashes; no address of elsewhere is in it, nothing may be kept, framed or indexed."""
    shown = await _page(api)
    policy = dict(part.strip().split(" ", 1) for part in shown.headers["content-security-policy"].split(";"))
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", shown.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" == policy[f"{tag}-src"]
    assert {"'none'", "'self'"} == {policy["default-src"], policy["connect-src"]}
    assert ("'none'", "'script'") == (policy["trusted-types"], policy["require-trusted-types-for"])
    assert {"data:,"} == set(re.findall(r'(?:src|href|action)="([^"]*)"', shown.text))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|localStorage|eval\(", shown.text)
    assert "no-store" == shown.headers["cache-control"]


async def test_the_other_pages_run_no_script(api: Api) -> None:
    """What one page may do, the others may not."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as anybody:
        policy = (await anybody.get("/w/nothing")).headers["content-security-policy"]
    assert "script-src" not in policy
    assert "connect-src" not in policy


# --- in a browser -------------------------------------------------------------------------------------------------


async def _propose(api: Api, texts: Sequence[DraftText]) -> Program:
    """Texts that wait for a person, each for a role of its own: `role 0`, `role 1` and so on."""
    assert 201 == (await api.publish(JOURNEY, "first-weeks")).status_code
    program = compiled(JOURNEY)
    now = datetime.now(UTC)
    async with api.parts.database.write() as session:
        core = await session.connection()
        for number, text in enumerate(texts):
            order = order_for(program, "hello", language=None, value=f"role {number}")
            assert order is not None
            at = now - timedelta(seconds=number)
            (draft,) = await drafts.want(session, [Wanted(order, order_key(order))], program=program.hash, at=at)
            values = {
                "state": "proposed", "subject": text.subject, "body": text.body, "model": "a-model", "calls": 1,
                "findings": [finding.to_json() for finding in look_at(text, order)],
                "prompt": prompt_of(order).to_json(),
            }  # fmt: skip
            await core.execute(update(DraftRow).where(col(DraftRow.id) == draft).values(**values))
    return program


async def _rows(api: Api, state: str) -> Sequence[DraftRow]:
    async with api.parts.database.read() as session:
        query = select(DraftRow).where(col(DraftRow.state) == state).order_by(col(DraftRow.value), col(DraftRow.number))
        return (await session.exec(query)).all()


@dataclass
class Sitting:
    """Somebody at the page."""

    api: Api
    tab: Tab

    async def begin(self, key: str = KEY) -> None:
        """Type in the key."""
        await self.tab.open(f"http://127.0.0.1:{self.api.port}/drafts")
        await self.tab.until("!document.querySelector('#door').hidden")
        await self.tab.run("document.querySelector('#key').focus()")
        await self.tab.write(key)
        await self.tab.press("Enter")

    async def sees(self, text: str, where: str = "#draft") -> None:
        """Wait until it stands there."""
        await self.tab.until(f"document.querySelector({where!r}).innerText.includes({text!r})")

    async def hears(self, text: str) -> None:
        """What a screen reader is told."""
        await self.sees(text, "#news")

    async def click(self, selector: str) -> None:
        await self.tab.until(f"document.querySelector({selector!r}) && !document.querySelector({selector!r}).disabled")
        await self.tab.run(f"document.querySelector({selector!r}).click()")

    async def put_away(self) -> None:
        """Cancel what is asked; the page is ready for the next key then."""
        await self.tab.run(
            "new Promise(done => { const ask = document.querySelector('#ask');"
            " ask.addEventListener('close', () => setTimeout(done), { once: true });"
            " ask.querySelector('button.plain').click() })"
        )

    async def choose(self, selector: str, value: str) -> None:
        await self.tab.run(
            f"(s => {{ s.value = {value!r}; s.dispatchEvent(new Event('change')) }})"
            f"(document.querySelector({selector!r}))"
        )


@pytest.fixture
async def sitting(api: Api) -> AsyncIterator[Sitting]:
    """A browser before the page; nothing may have been wrong in it at the end."""
    async with browsing() as tab:
        yield Sitting(api, tab)
        assert [] == [said for said in tab.complaints if "the server responded with a status of 4" not in said]


@in_browser
async def test_the_key_is_kept_in_the_tab_alone(sitting: Sitting) -> None:
    """A wrong one is refused in words; a right one is in no cookie and no lasting store, and can be forgotten."""
    await _propose(sitting.api, [GOOD])
    await sitting.begin("wrong")
    await sitting.sees("not one of this installation", "#key-fault")
    assert await sitting.tab.run("sessionStorage.length") == 0
    await sitting.begin()
    await sitting.sees("the course is open")
    assert [KEY, 0, ""] == await sitting.tab.run(
        "[sessionStorage['waymark.key'], localStorage.length, document.cookie]"
    )
    await sitting.click("#leave")
    await sitting.sees("forgotten", "#key-fault")
    assert [None, ""] == await sitting.tab.run(
        "[sessionStorage.getItem('waymark.key'), document.querySelector('#draft').innerText]"
    )


@in_browser
async def test_keys_go_from_draft_to_draft_and_approve(sitting: Sitting) -> None:
    """J and K go on and back; A approves under the name of the key, and the next one is there."""
    await _propose(sitting.api, [GOOD, GOOD, GOOD])
    await sitting.begin()
    await sitting.hears("1 of 3")
    await sitting.tab.press("j")
    await sitting.hears("2 of 3: hello, own language, role 1")
    await sitting.tab.press("j")
    await sitting.hears("3 of 3")
    await sitting.tab.press("k")
    await sitting.sees("learner.role = role 1")
    await sitting.tab.press("a")
    await sitting.hears("Approved: hello, own language, role 1. 2 drafts left.")
    await sitting.sees("learner.role = role 2")
    (row,) = await _rows(sitting.api, "approved")
    assert ("role 1", "tests") == (row.value, row.decided_by)


@in_browser
async def test_nothing_is_decided_on_a_draft_that_was_left(sitting: Sitting) -> None:
    """J and A at once: the next one is not there yet, and the one before is approved by nobody."""
    await _propose(sitting.api, [GOOD, GOOD])
    await sitting.begin()
    await sitting.hears("1 of 2")
    await sitting.tab.run(
        "(() => { const ask = window.fetch; window.held = []; window.posted = 0;"
        " window.fetch = (path, given) => {"
        " if (given.method === 'POST') window.posted += 1;"
        " if (given.method !== 'GET') return ask(path, given);"
        " return new Promise(go => held.push(() => go(ask(path, given)))) } })()"
    )
    for key in "jaret":
        await sitting.tab.press(key)
    assert [1, 0, False] == await sitting.tab.run("[held.length, posted, document.querySelector('#ask').open]")
    await sitting.tab.run("held.forEach(go => go())")
    await sitting.hears("2 of 2")
    assert [] == await _rows(sitting.api, "approved")
    await sitting.tab.press("a")
    await sitting.tab.until("posted === 1")


@in_browser
async def test_findings_stand_beside_the_text_and_their_places_are_marked(sitting: Sitting) -> None:
    """The hard ones first; a text that could not be sent cannot be approved, by no key."""
    await _propose(sitting.api, [HARD])
    await sitting.begin()
    await sitting.sees("It cannot be sent")
    marked = await sitting.tab.run("[...document.querySelectorAll('.beside .body mark.hard')].map(m => m.innerText)")
    assert any("Hurry" in text for text in marked)
    assert await sitting.tab.run("document.querySelector('.findings li').className") == "hard"
    assert await sitting.tab.run("document.querySelector('[data-act=approve]').disabled")
    await sitting.tab.press("a")
    await sitting.tab.press("j")
    assert 1 == len(await _rows(sitting.api, "proposed"))


@in_browser
async def test_a_hard_finding_is_approved_in_spite_of_only_where_somebody_says_so(sitting: Sitting) -> None:
    """It asks, and tells what stands against it; put away, nothing is done. What is approved so says so."""
    await _propose(sitting.api, [PRESSING])
    await sitting.begin()
    await sitting.sees("pressure, hard")
    await sitting.tab.press("a")
    await sitting.sees("hard finding stands against it", "#ask")
    await sitting.put_away()
    assert 1 == len(await _rows(sitting.api, "proposed"))
    await sitting.tab.press("a")
    await sitting.click("#ask [data-act=yes]")
    await sitting.hears("Approved")
    assert [1] == [row.approved_despite for row in await _rows(sitting.api, "approved")]
    await sitting.click("#states button:nth-child(3)")
    await sitting.sees("in spite of 1 hard finding")


@in_browser
async def test_a_rejection_has_a_reason_and_another_text_is_wanted(sitting: Sitting) -> None:
    """Without a reason it is not done, and says so."""
    await _propose(sitting.api, [GOOD])
    await sitting.begin()
    await sitting.sees("the course is open")
    await sitting.tab.press("r")
    await sitting.sees("The next text is told", "#ask")
    await sitting.tab.write("  ")
    await sitting.tab.run("document.querySelector('#reason').required = false")
    await sitting.click("#ask [data-act=yes]")
    await sitting.sees("Say what is wrong with it", "#ask")
    await sitting.tab.run("document.querySelector('#reason').focus()")
    await sitting.tab.write("Too dry for us.")
    await sitting.click("#ask [data-act=yes]")
    await sitting.hears("Rejected: hello, own language, role 0. Another one is being written.")
    (rejected,) = await _rows(sitting.api, "rejected")
    assert ("Too dry for us.", "tests") == ((rejected.reason or "").strip(), rejected.decided_by)
    assert [2] == [row.number for row in await _rows(sitting.api, "wanted")]


@in_browser
async def test_an_approved_text_is_taken_back_with_a_reason(sitting: Sitting) -> None:
    """By button or key, which both ask first; put away, it is sent on. Both persons are told of."""
    await _propose(sitting.api, [GOOD, GOOD])
    await sitting.begin()
    await sitting.sees("the course is open")
    await sitting.tab.press("t")
    await sitting.tab.press("a")
    await sitting.hears("Approved: hello, own language, role 0.")
    await sitting.click("#states button:nth-child(3)")
    await sitting.sees("approved by tests")
    await sitting.click("[data-act=take-back]")
    await sitting.sees("It is sent no more", "#ask")
    await sitting.put_away()
    assert 1 == len(await _rows(sitting.api, "approved"))
    await sitting.tab.press("t")
    await sitting.tab.until("document.querySelector('#ask').open && document.activeElement.id === 'reason'")
    await sitting.tab.write("The course is not open.")
    await sitting.click("#ask [data-act=yes]")
    await sitting.hears("Taken back: hello, own language, role 0. Another one is to stand in its place.")
    (taken,) = await _rows(sitting.api, "replaced")
    assert ("The course is not open.", "tests", "tests") == (taken.reason, taken.decided_by, taken.taken_back_by)
    assert [2] == [row.number for row in await _rows(sitting.api, "wanted")]
    await sitting.click("#states button:nth-child(6)")
    await sitting.sees("; taken back by tests, ")
    await sitting.sees("The course is not open.")
    assert await sitting.tab.run("document.querySelector('[data-act=take-back]')") is None
    await sitting.click("[data-act=again]")
    await sitting.hears("Another text (2) is being written")


@in_browser
async def test_an_edited_text_is_a_new_one_that_waits(sitting: Sitting) -> None:
    """By the person of the key, checked anew, and shown at once; what cannot be sent is refused where it was typed."""
    await _propose(sitting.api, [GOOD])
    await sitting.begin()
    await sitting.sees("the course is open")
    await sitting.tab.press("e")
    await sitting.tab.until("document.querySelector('#e-body')")
    await sitting.tab.run("document.querySelector('#e-body').value = 'Call {{ learner.phone }} now'")
    await sitting.click("#ask [data-act=yes]")
    await sitting.sees("could not be sent", "#ask .fault")
    await sitting.tab.run("document.querySelector('#e-body').value = 'Good day {{ learner.given_name }}, it is open.'")
    await sitting.click("#ask [data-act=yes]")
    await sitting.hears("It waits for approval")
    await sitting.sees("Good day")
    await sitting.sees("written by tests")
    (row,) = await _rows(sitting.api, "proposed")
    assert (2, "person", "Good day {{ learner.given_name }}, it is open.") == (row.number, row.origin, row.body)


@in_browser
async def test_many_are_approved_at_once_and_those_with_hard_findings_are_left(sitting: Sitting) -> None:
    """What is selected by its filter; more than one request of them, with what was left told one by one."""
    await _propose(sitting.api, [GOOD] * 120 + [PRESSING] * 2)
    await sitting.begin()
    await sitting.hears("1 of 122")
    await sitting.click("#all")
    await sitting.sees("122 selected", ".many")
    await sitting.click("#approve-many")
    await sitting.sees("2 of them have hard findings", "#ask")
    await sitting.click("#ask [data-act=yes]")
    await sitting.hears("120 drafts approved, 2 left.")
    await sitting.sees("2 drafts were left", "#ask")
    assert (120, 2) == (len(await _rows(sitting.api, "approved")), len(await _rows(sitting.api, "proposed")))
    assert 2 == await sitting.tab.run("document.querySelectorAll('#list li').length")


@in_browser
async def test_what_a_text_says_stays_text(sitting: Sitting) -> None:
    """Tags, scripts and links of a draft are shown and do nothing."""
    await _propose(sitting.api, [HOSTILE])
    await sitting.begin()
    await sitting.sees("<script>document.title=")
    assert 0 == await sitting.tab.run("document.querySelectorAll('#room img, #room script, #room a').length")
    assert "Drafts – Waymark" == await sitting.tab.run("document.title")


@in_browser
async def test_somebody_who_was_faster_is_named(sitting: Sitting) -> None:
    """What is there now is shown, with why nothing was done."""
    await _propose(sitting.api, [GOOD])
    await sitting.begin()
    await sitting.sees("the course is open")
    async with sitting.api.parts.database.write() as session:
        await (await session.connection()).execute(
            update(DraftRow).values(state="rejected", reason="No.", decided_by="Mia", decided_at=datetime.now(UTC))
        )
    await sitting.tab.press("a")
    await sitting.sees("Mia has rejected it", "#trouble")
    await sitting.sees("rejected by Mia")
    assert ["Mia"] == [row.decided_by for row in await _rows(sitting.api, "rejected")]
    assert [] == await _rows(sitting.api, "approved")


@in_browser
async def test_twelve_hundred_drafts_are_paged_and_filtered(sitting: Sitting) -> None:
    """Fifty at a time; each is found by its value."""
    await _propose(sitting.api, [PRESSING if number % 10 == 0 else GOOD for number in range(1200)])
    await sitting.begin()
    await sitting.hears("1 of 1200")
    assert 50 == await sitting.tab.run("document.querySelectorAll('#list li').length")
    await sitting.click("#on")
    await sitting.sees("51 to 100 of 1200", "#place")
    await sitting.choose("#f-found", "hard")
    await sitting.hears("120 drafts of 1,200 fit")
    await sitting.choose("#f-found", "")
    await sitting.tab.run("document.querySelector('#f-text').focus()")
    await sitting.tab.write("role 1199")
    await sitting.hears("1 draft of 1,200 fit")
    await sitting.click("#list button")
    await sitting.sees("learner.role = role 1199")

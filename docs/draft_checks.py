"""The corpora of drafts, what the checks find in them, and the page that says so.

tests/golden/drafts/orders.yaml    what was ordered, and the firm's forbidden words
.../bad/<check>.yaml               drafts with a fault that this check is for; `also`: others that they have
.../good/<language>.yaml           drafts that a person would let pass
.../missed.yaml                    drafts with a fault that no check sees yet; `fault` says which check it is for
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from journeys.drafting.agreeing import NAME as AGREEMENT
from journeys.drafting.checks import CHECKS
from journeys.drafting.checks.base import WORDS_OF
from journeys.drafting.findings import Finding, House, agree, look_at
from journeys.drafting.order import COVERAGE, DraftOrder, DraftText
from journeys.program import Draft, Expression, Link, Wording

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden" / "drafts"


@dataclass(frozen=True)
class Sample:
    """One draft of a corpus: its file and place there, what it answers, and the checks whose faults it has."""

    name: str
    order: DraftOrder
    text: DraftText
    faults: tuple[str, ...] = ()
    is_missed: bool = False

    def findings(self) -> tuple[Finding, ...]:
        """What the checks say of it."""
        return look_at(self.text, self.order, house())


@dataclass(frozen=True)
class Row:
    """A check over all single drafts: right and wrong, as counts."""

    check: str
    found: int
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    quiet: int


def house() -> House:
    """The firm's rules in the corpora."""
    return House(tuple(_read("orders.yaml")["forbidden"]))


def bad() -> list[Sample]:
    """The drafts that are there for a fault which its check finds."""
    files = sorted(file for file in (FOLDER / "bad").glob("*.yaml") if file.stem != AGREEMENT)
    return [
        _sample(f"{file.stem} {n}", plain, (file.stem, *plain.get("also", ())))
        for file in files
        for n, plain in enumerate(_read(f"bad/{file.name}"), 1)
    ]


def good() -> list[Sample]:
    """The drafts that a person would let pass."""
    return [
        _sample(f"good {file.stem} {n}", plain, ())
        for file in sorted((FOLDER / "good").glob("*.yaml"))
        for n, plain in enumerate(_read(f"good/{file.name}"), 1)
    ]


def missed() -> list[Sample]:
    """The drafts with a fault that is not found yet."""
    return [
        _sample(plain["why"], plain, (plain["fault"],), is_missed=True)
        for plain in _read("missed.yaml")
        if "order" in plain
    ]


def unseen() -> list[Sample]:
    """The drafts to which no check was fitted: with a fault, or good."""
    return [
        _sample(f"unseen {n}", plain, (plain["fault"],) if "fault" in plain else ())
        for n, plain in enumerate(_read("unseen.yaml"), 1)
    ]


def disagreeing() -> list[tuple[Mapping[str | None, DraftText], bool]]:
    """Several languages of one message that say different facts, and whether that is found."""
    found = [(plain, True) for plain in _read(f"bad/{AGREEMENT}.yaml")]
    unseen = [(plain, False) for plain in _read("missed.yaml") if "texts" in plain]
    return [({tag: DraftText(**text) for tag, text in plain["texts"].items()}, seen) for plain, seen in found + unseen]


def agreeing() -> list[Mapping[str | None, DraftText]]:
    """Several languages of one message that say the same."""
    return [{tag: DraftText(**text) for tag, text in one.items()} for one in _read("agreeing.yaml")]


def rows() -> list[Row]:
    """Every check over bad, good and missed drafts."""
    samples = [(sample, {finding.check for finding in sample.findings()}) for sample in (*bad(), *good(), *missed())]
    return [_row(check, samples) for check in CHECKS]


def _row(check: str, samples: list[tuple[Sample, set[str]]]) -> Row:
    ill = [(sample, check in told) for sample, told in samples if check in sample.faults]
    well = [(sample, check in told) for sample, told in samples if check not in sample.faults]
    return Row(
        check,
        sum(is_told for _, is_told in ill),
        tuple(sample.name for sample, is_told in ill if not is_told),
        tuple(sample.name for sample, is_told in well if is_told),
        sum(not is_told for _, is_told in well),
    )


_INTRODUCTION = """\
# The checks of drafts

Every drafted text is looked at by these before a person sees it. A *hard* finding goes back to the model, at most
twice; a *soft* one is for the person. What follows is counted over drafts in English, German, French and Spanish:
{counts}.
The numbers say what the checks do on these texts, which were written along with them; they are no estimate for others.

*Found*: the fault is there and told. *Missed*: there, not told. *Wrong*: told, not there. *Quiet*: neither.

| check | finds | found | missed | wrong | quiet |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The page: each check, what it is for, and what it finds and misses over the corpora."""
    ill, well, blind = bad(), good(), missed()
    head = f"{len(ill)} with a fault, {len(well)} good ones, and {len(blind)} with a fault that we know is not found"
    lines = [_INTRODUCTION.format(counts=head)]
    for row in rows():
        about = _cell((CHECKS[row.check].__doc__ or "").strip())
        counts = f"{row.found} | {len(row.missed)} | {len(row.wrong)} | {row.quiet}"
        lines.append(f"| [`{row.check}`](#{row.check}) | {about} | {counts} |\n")
    lines.append(_agreement_row())
    lines.append(_covered())
    lines.append(_unseen())
    lines += _notes(blind)
    return "".join(lines)


def _agreement_row() -> str:
    sets = [bool(agree(texts)) for texts, _ in disagreeing()]
    same = [bool(agree(texts)) for texts in agreeing()]
    about = "Languages of one message that do not say the same placeholders, numbers, dates or link."
    return (
        f"| [`{AGREEMENT}`](#{AGREEMENT}) | {about} "
        f"| {sum(sets)} | {len(sets) - sum(sets)} | {sum(same)} | {len(same) - sum(same)} |\n"
    )


def _covered() -> str:
    """Which checks go by words, and of which languages they have them."""
    names: dict[frozenset[str], list[str]] = {}
    for check, languages in sorted(WORDS_OF.items()):
        names.setdefault(languages, []).append(f"`{check}`")
    known = [f"{', '.join(checks)} (of {', '.join(sorted(languages))})" for languages, checks in names.items()]
    return _OF_WORDS.format(checks="; ".join(known), name=COVERAGE)


_OF_WORDS = """
## {name}

These checks go by words, and have them in some languages only: {checks}.
In any other they find what needs no words (a number in digits, a word in capitals), or nothing; then a text has one
soft finding `{name}`, which names them, and the person reads it for the rest. No writer is told of that one.
"""


def _unseen() -> str:
    """What the checks find where they were not made to."""
    ill = [sample for sample in unseen() if sample.faults]
    well = [sample for sample in unseen() if not sample.faults]
    sent_back = sum(any(finding.is_hard for finding in sample.findings()) for sample in well)
    lines = [_BEYOND.format(ill=len(ill), well=len(well), sent_back=sent_back)]
    for check in sorted({sample.faults[0] for sample in ill}):
        own = [sample for sample in ill if check in sample.faults]
        found = sum(check in {finding.check for finding in sample.findings()} for sample in own)
        lines.append(f"| `{check}` | {found} of {len(own)} |\n")
    return "".join(lines)


_BEYOND = """
## Where nothing was fitted

{ill} more drafts with a fault and {well} good ones were written in one go when the checks stood, and no check is
changed for them. This is nearer to what a model's texts will meet. Of the good ones, {sent_back} are sent back.
What counts (placeholders, links, numbers, names, markup) is found; what is a matter of words (feelings, pressure,
promises) has more ways of being said than any list, and the person who approves is the check of those.

| check | found |
|---|---|
"""


def _notes(blind: list[Sample]) -> Iterator[str]:
    for row in rows():
        text = (import_module(CHECKS[row.check].__module__).__doc__ or "").strip()
        yield f"\n## {row.check}\n\n{text}\n"
        unseen = [sample for sample in blind if row.check in sample.faults]
        if unseen:
            yield "\nNot found:\n\n"
            yield from (f"- {sample.name}: “{_cell(_shown(sample))}”\n" for sample in unseen)
        if row.wrong:
            yield f"\nTold where it is not so: {', '.join(row.wrong)}.\n"
    yield f"\n## {AGREEMENT}\n\nThe first language is what the others are compared with. Numbers in words are compared "
    yield "among English, German, French and Spanish, numbers in digits among all.\n"
    unseen_sets = [plain["why"] for plain in _read("missed.yaml") if "texts" in plain]
    if unseen_sets:
        yield "\nNot found:\n\n" + "".join(f"- {why}\n" for why in unseen_sets)


def _shown(sample: Sample) -> str:
    body = sample.text.body
    return body if len(body) <= 160 else f"{body[:159]}…"


def _sample(name: str, plain: Mapping[str, Any], faults: tuple[str, ...], *, is_missed: bool = False) -> Sample:
    order = _order(plain["order"], plain["language"])
    return Sample(name, order, DraftText(plain["subject"], plain["body"]), faults, is_missed)


def _order(name: str, language: str) -> DraftOrder:
    plain = _read("orders.yaml")["orders"][name]
    per = Expression(plain["per"]) if "per" in plain else None
    draft = Draft(plain["brief"], plain.get("tone"), plain.get("max_words"), tuple(plain.get("uses", ())), per)
    said = plain["fallback"][language]
    link = Link(plain["link"], "https://learn.example.com") if "link" in plain else None
    wording = Wording(said.get("subject"), said["body"], link)
    return DraftOrder("a-journey", name, language, plain.get("value"), draft, wording, tuple(plain["channels"]))


_FILES: dict[str, Any] = {}


def _read(name: str) -> Any:
    if name not in _FILES:
        _FILES[name] = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    return _FILES[name]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

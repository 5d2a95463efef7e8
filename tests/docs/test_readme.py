"""The README is true: its commands are there, its links lead somewhere."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_commands_of_the_readme_are_in_the_makefile() -> None:
    """It shows two commands, and both can be made."""
    readme = (ROOT / "README.md").read_text()
    shown = re.findall(r"^    make ([a-z-]+)", readme, re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert ["demo", "test"] == shown
    assert set(shown) <= set(targets)


def test_every_link_to_a_file_leads_to_one() -> None:
    """No page of the manual points at nothing."""
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:{ ]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert [] == dead

"""The command line as a whole: every command helps, and errors have the exit status of the contract."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from waymark.cli.main import build


def _commands(group: TyperGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name)


APP = get_command(build())
assert isinstance(APP, TyperGroup)


@pytest.mark.parametrize("path", list(_commands(APP)), ids=" ".join)
def test_every_command_helps_with_an_example(path: tuple[str, ...]) -> None:
    """`--help` says what it does, each option in a sentence, and shows an example."""
    command = APP
    for word in path:
        command = command.commands[word]  # type: ignore[union-attr]
    text = f"{command.help} {command.epilog}"
    assert f"Example: waymark {' '.join(path)}" in text
    for parameter in command.params:
        assert getattr(parameter, "help", None) or parameter.param_type_name == "argument", parameter.name


def _waymark(*words: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "waymark", *words]
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd()), "HOME": str(cwd), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=given, cwd=cwd, timeout=60)


def test_a_wrong_setting_is_wrong_usage(tmp_path: Path) -> None:
    """Exit status 2, with the setting's name and no traceback."""
    done = _waymark("settings", cwd=tmp_path, WAYMARK_DELIVER="nobody")
    assert done.returncode == 2
    assert "WAYMARK_DELIVER = 'nobody' (from environment): write all, none" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["nonsense"], ["up", "--nonsense"], ["up", "--only", "nonsense"]])
def test_an_unknown_word_is_wrong_usage(tmp_path: Path, words: list[str]) -> None:
    """Exit status 2."""
    done = _waymark(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_settings_shows_where_each_came_from(tmp_path: Path) -> None:
    """From the environment, from `.env`, or the default."""
    (tmp_path / ".env").write_text("WAYMARK_IN_DOUBT=resend\n")
    said = _waymark("settings", cwd=tmp_path, WAYMARK_EVENT_LEAD="2w").stdout
    assert "WAYMARK_IN_DOUBT = resend  (.env)" in said
    assert "WAYMARK_EVENT_LEAD = 2w  (environment)" in said
    assert "WAYMARK_DELIVER = all  (default)" in said


@pytest.mark.parametrize(("kind", "is_told"), [("ValueError", False), ("OSError", True)])
def test_an_error_nobody_foresaw_tells_where_it_happened(tmp_path: Path, kind: str, is_told: bool) -> None:
    """By its traceback and exit status 1; its words are kept back, which may be personal, but for the system's own."""
    script = tmp_path / "script.py"
    lines = [
        "from waymark.cli import main", "def fail():", f"    raise {kind}('-'.join(['ada', 'lovelace']))",
        "main.build = lambda: fail", "main.main()",
    ]  # fmt: skip
    script.write_text("\n".join(lines))
    given = {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=60, check=False)
    assert done.returncode == 1
    assert f"builtins.{kind}" in done.stderr
    assert "script.py" in done.stderr
    assert is_told == ("ada-lovelace" in done.stderr)

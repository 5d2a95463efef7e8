"""Ports that nobody else is given."""

import subprocess
import sys
from pathlib import Path

import pytest

from waymark.stack import process

ASK = "from waymark.stack import process; print(*process.free_ports(200))"


def test_processes_that_ask_at_once_are_given_different_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though none of them listens yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asking = [subprocess.Popen([sys.executable, "-c", ASK], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    given = [port for each in asking for port in each.communicate()[0].split()]
    assert 600 == len(given) == len(set(given))


def test_a_promise_is_forgotten_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that lies ahead, from before the machine was started again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(process, "_FREE_PORTS", [process.free_port()])
    with pytest.raises(OSError, match="no free port was found"):
        process.free_port()
    for at in (-process.PROMISED_SECONDS, 1e12):
        (tmp_path / "waymark" / "ports").write_text(f"{process._FREE_PORTS[0]} {at}\n")
        assert process._FREE_PORTS[0] == process.free_port()


def test_a_port_is_found_without_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whatever somebody wrote into it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "waymark").mkdir()
    (tmp_path / "waymark" / "ports").write_text("no port\n12345 soon\nnonsense\n")
    assert process.is_free(process.free_port())
    nowhere = tmp_path / "a file"
    nowhere.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(nowhere))
    assert process.is_free(process.free_port())

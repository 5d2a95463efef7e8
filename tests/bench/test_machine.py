"""Where figures were taken: of which commit, and on how many cores."""

import os
import sys
from asyncio import create_subprocess_exec, subprocess
from dataclasses import replace

import pytest

from bench.figures import Machine
from bench.processes import CORES, cpu_seconds_of_ended

SAID = "import os; from bench.processes import on_two_cores; on_two_cores(); print(len(os.sched_getaffinity(0)))"


def test_the_line_says_what_ran_and_how_many_cores_it_had() -> None:
    """Of more cores only where there are more; without git nothing is said of a commit."""
    two = replace(Machine(), cores=2, cores_there=2, commit="")
    assert ", 2 cores, " in str(two)
    assert "commit" not in str(two)
    assert ", 2 cores of 8, " in str(replace(two, cores_there=8))
    assert str(replace(two, commit="abc1234-dirty")).endswith("; commit abc1234-dirty")


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation need not have it."""
    monkeypatch.setenv("PATH", "")
    assert "" == Machine().commit


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot do it")
async def test_a_run_has_two_cores_and_what_it_used_is_known_when_it_has_ended() -> None:
    """Or all, where there are fewer."""
    before = cpu_seconds_of_ended()
    started = await create_subprocess_exec(sys.executable, "-c", SAID, stdout=subprocess.PIPE)
    said, _ = await started.communicate()
    assert min(CORES, len(os.sched_getaffinity(0))) == int(said)
    assert cpu_seconds_of_ended() > before

"""Every golden script on the real performer: real Temporal with its time moved, real SMTP and webhooks; to the
second.
"""

from pathlib import Path

import pytest

from tests.connectors.channels.receiver import Receiver
from tests.connectors.systems import System
from tests.support.golden import GoldenScript, golden_scripts
from tests.support.playing import play
from tests.support.smtp import SmtpSink


@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", golden_scripts(), ids=lambda script: script.name)
async def test_the_real_performer_does_what_the_script_says(
    script: GoldenScript,
    sqlite_url: str,
    temporal_address: str,
    smtp_sink: SmtpSink,
    receiver: Receiver,
    moodle: System,
    tmp_path: Path,
) -> None:
    """Every enrolment, every line of its journal and every message, to the second and to the word."""
    await play(
        script, database_url=sqlite_url, temporal_address=temporal_address, smtp_sink=smtp_sink, receiver=receiver,
        moodle=moodle, home=tmp_path,
    )  # fmt: skip

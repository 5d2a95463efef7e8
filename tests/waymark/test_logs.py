"""What a process writes to its log."""

import json
import subprocess
import sys

SAYING = """
import logging, structlog
from waymark import logs
logs.configure("bridge")
logging.getLogger("workers.ingest").info("an event of unknown type is logged: %s", "coffee.machine.broken")
logging.getLogger("kafka.cluster").info("not for an operator")
logging.getLogger("kafka.cluster").warning("no broker")
structlog.get_logger().info("ready", port=1)
try:
    raise ValueError("why")
except ValueError:
    logging.getLogger("asyncio").exception("unexpected")
"""


def test_every_line_is_one_json_object_with_its_process() -> None:
    """Ours from INFO on, others' from WARNING on, whichever way they are said; a traceback stays in its line."""
    done = subprocess.run([sys.executable, "-c", SAYING], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [
        ("info", "an event of unknown type is logged: coffee.machine.broken"),
        ("warning", "no broker"),
        ("info", "ready"),
        ("error", "unexpected"),
    ] == [(line["level"], line["event"]) for line in lines]
    assert {"bridge"} == {line["process"] for line in lines}
    assert "ValueError: why" in lines[-1]["exception"]
    assert all(line["timestamp"].endswith("Z") for line in lines)

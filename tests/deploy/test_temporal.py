"""Temporal's own server judges what we tell it."""

import json
import subprocess
from pathlib import Path

from waymark.stack import temporal


def test_dynamic_configuration_is_known_to_the_server(tmp_path: Path) -> None:
    """Every key of ours, on the laptop and in production, is one of this version, with a value of its type."""
    laptop = tmp_path / "laptop.yaml"
    laptop.write_text(json.dumps({name: [{"value": value}] for name, value in temporal.DYNAMIC.items()}))
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(json.dumps({"frontend.rsp": [{"value": 1}]}))
    said = _judge(laptop, temporal.MODULE / "production.yaml")
    assert "error" not in said
    assert "warning" not in said
    assert "warning" in _judge(wrong) or "error" in _judge(wrong)


def _judge(*files: Path) -> str:
    command = (*temporal.take(lambda *_: None).what.command, "validate-dynamic-config", *map(str, files))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert all(str(file) in done.stdout for file in files)
    return done.stdout.lower()

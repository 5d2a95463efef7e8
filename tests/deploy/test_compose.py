"""What production is started from holds together: compose file, image, pinned versions, scripts.

No engine is needed: everything the compose file names is looked up where it is made.
"""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from waymark.cli.main import build
from waymark.settings import Settings, load, setting_name
from waymark.stack import kafka, temporal

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("waymark:")]
GIVEN = {
    "POSTGRES_PASSWORD": "p4ssw0rd",
    "WAYMARK_SECRET": "0" * 64,
    "ADMIN_KEY": "1" * 64,
    "WAYMARK_SMTP_URL": "smtp://mail.example.org:587",
}

# What we use of the compose specification, and nothing else: a misspelt key is an error, as it is for the engine.
_TEXTS = {"type": "array", "items": {"type": "string"}}
_CONDITION = {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}
_SERVICE = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "pattern": r"^[a-z0-9/._-]+:[A-Za-z0-9._-]+$"},
        "build": {
            "type": "object",
            "required": ["context", "dockerfile"],
            "additionalProperties": False,
            "properties": {"context": {"type": "string"}, "dockerfile": {"type": "string"}},
        },
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "stop_grace_period": {"type": "string", "pattern": r"^\d+s$"},
        "environment": {
            "type": "object",
            "patternProperties": {"^[A-Z][A-Z0-9_]*$": {"type": ["string", "integer", "null"]}},
            "additionalProperties": False,
        },
        "command": _TEXTS,
        "entrypoint": _TEXTS,
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[^:]+:/[^:]+(:ro)?$"}},
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^\d+:\d+$"}},
        "secrets": _TEXTS,
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["condition"],
                "additionalProperties": False,
                "properties": {"condition": _CONDITION},
            },
        },
        "healthcheck": {
            "type": "object",
            "required": ["test"],
            "additionalProperties": False,
            "properties": {
                "test": {**_TEXTS, "contains": {"enum": ["CMD", "CMD-SHELL"]}},
                "interval": {"type": "string", "pattern": r"^\d+s$"},
                "timeout": {"type": "string", "pattern": r"^\d+s$"},
                "retries": {"type": "integer", "minimum": 1},
            },
        },
    },
}
_FILE = {
    "type": "object",
    "required": ["services"],
    "additionalProperties": False,
    "patternProperties": {"^x-": {}},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": _SERVICE},
        "volumes": {"type": "object"},
        "secrets": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"environment": {"type": "string"}, "file": {"type": "string"}},
                "minProperties": 1,
            },
        },
    },
}


def test_the_file_has_the_form_of_a_compose_file() -> None:
    """Every key is one of the specification, with a value of its type."""
    problems = [f"{list(error.instance_path)}: {error.message}" for error in jsonschema_rs.iter_errors(_FILE, COMPOSE)]
    assert problems == []


def test_a_misspelt_key_is_found() -> None:
    """The form above refuses what the engine refuses."""
    wrong = {"services": {"api": {"image": "waymark:1", "depend_on": {}}}}
    assert not jsonschema_rs.is_valid(_FILE, wrong)


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_that_exist(name: str) -> None:
    """Each service of our image runs a command of the command line."""
    command = get_command(build())
    for word in SERVICES[name]["command"]:
        command = command.commands[word]  # type: ignore[attr-defined]
    assert not isinstance(command, TyperGroup)


def test_there_is_a_service_for_each_process() -> None:
    """API, worker, bridge and the migration run, and the servers they need."""
    assert {tuple(SERVICES[name]["command"]) for name in OURS} == {
        ("api",),
        ("worker",),
        ("bridge",),
        ("db", "upgrade"),
    }
    assert {"postgresql", "kafka", "temporal"} <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_every_setting_exists_and_may_have_its_value(name: str, tmp_path: Path) -> None:
    """Each WAYMARK_* that a service is given is a setting, and its value is allowed."""
    environment = {key: interpolate(str(value), GIVEN) for key, value in SERVICES[name]["environment"].items()}
    known = {setting_name(field) for field in Settings.model_fields}
    assert {key for key in environment if key.startswith("WAYMARK_")} <= known
    settings = load(environment=environment, dotenv=tmp_path / ".env").settings
    assert settings.database().endswith(":p4ssw0rd@postgresql:5432/waymark")


def test_what_must_be_chosen_is_asked_for() -> None:
    """Without a password, a secret and a mail server nothing starts, and the engine says what to do."""
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+):\?[^}]{10,}\}", text))
    assert asked == {"POSTGRES_PASSWORD", "WAYMARK_SECRET", "WAYMARK_SMTP_URL"}
    assert not re.search(r"\$\{[A-Z_]+\}", text), "every variable has a default, or is asked for"


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_come_about(name: str) -> None:
    """Each `depends_on` is a service; one waited for as healthy has a check, one waited for as done runs to an end."""
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        if how["condition"] == "service_completed_successfully":
            assert SERVICES[other]["restart"] == "on-failure"


def test_nobody_waits_in_a_circle() -> None:
    """The services can be started one after the other."""
    started: set[str] = set()
    while len(started) < len(SERVICES):
        can_start = {name for name, service in SERVICES.items() if set(service.get("depends_on", {})) <= started}
        assert can_start > started, f"these wait for each other: {set(SERVICES) - started}"
        started = can_start


PORTS = {"postgresql": {5432}, "kafka": {9092, 9093}, "temporal": {7233}, "api": {8800}}


def test_every_address_names_a_service_and_its_port() -> None:
    """Where a service is told to go, another one listens."""
    for name, service in SERVICES.items():
        text = yaml.safe_dump(service.get("environment", {})) + yaml.safe_dump(service.get("healthcheck", {}))
        for host, port in re.findall(r"(?<![\w.-])([a-z][a-z-]*):(\d{4,5})(?!\d)", text):
            owner = name if host == "localhost" else host
            assert int(port) in PORTS.get(owner, set()), f"{name} goes to {host}:{port}"


def test_published_ports_are_listened_on() -> None:
    """The API listens, on every interface of its container, on the port that is published."""
    (published,) = SERVICES["api"]["ports"]
    assert SERVICES["api"]["environment"]["WAYMARK_HTTP_ADDRESS"] == f"0.0.0.0:{published.partition(':')[2]}"


def test_files_volumes_and_secrets_exist() -> None:
    """What is mounted is there, and a script that is run is a mounted one."""
    for service in SERVICES.values():
        mounted = {}
        for source, _, target in (volume.removesuffix(":ro").partition(":") for volume in service.get("volumes", [])):
            assert source in COMPOSE["volumes"] or (ROOT / source).is_file()
            mounted[target] = source
        for word in service.get("entrypoint", []):
            assert not word.endswith(".sh") or word in mounted
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert all(secret["environment"] in GIVEN for secret in COMPOSE["secrets"].values())
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert set(COMPOSE["volumes"]) <= used


def test_images_have_the_pinned_versions() -> None:
    """Temporal and Kafka are those of `go.mod` and `pom.xml`, and our image is this version of the project."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {service["image"] for service in SERVICES.values()}
    assert images == {
        "postgres:17",
        f"apache/kafka:{kafka.version()}",
        f"temporalio/server:{temporal.version()}",
        f"temporalio/admin-tools:{temporal.version()}",
        f"waymark:{version}",
    }


def test_the_topics_of_production_are_those_of_the_laptop() -> None:
    """The script makes the same topics, with as many partitions."""
    script = (ROOT / "deploy/kafka/topics.sh").read_text()
    found = re.search(r"for topic in (.*); do", script)
    assert found
    assert tuple(shlex.split(found.group(1))) == kafka.TOPICS
    assert f"--partitions {kafka.PARTITIONS} " in script


def test_the_image_holds_every_package_and_no_test() -> None:
    """What the command line imports is copied, and each copied thing is there."""
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    copied = [line.split()[1] for line in lines if line.startswith("COPY ")]
    assert all((ROOT / source).exists() for source in copied)
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    assert set(copied) == {"deploy/requirements.lock", *layers}


def test_the_image_is_made_of_locked_packages() -> None:
    """Its packages are the project's own lock without the tools for development, each with its hashes."""
    whole, image = (_pins(ROOT / name) for name in ("requirements.lock", "deploy/requirements.lock"))
    assert image.items() <= whole.items()
    assert "pytest" not in image
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [*wanted["dependencies"], *(one for extra in wanted["optional-dependencies"].values() for one in extra)]
    assert {re.split(r"[\[<>=]", one)[0].lower().replace(".", "-") for one in direct} <= set(image)


def test_locks_name_no_host() -> None:
    """Where packages come from is the machine's affair."""
    for name in ("requirements.lock", "deploy/requirements.lock"):
        assert "://" not in (ROOT / name).read_text()


def _pins(lock: Path) -> dict[str, str]:
    lines = [line for line in lock.read_text().splitlines() if re.match(r"[a-z]", line)]
    assert all(re.fullmatch(r"[a-z0-9._-]+==\S+ .*\\", line) for line in lines), "each pin goes on with its hashes"
    pins = (line.split()[0].partition("==") for line in lines)
    return {name: version for name, _, version in pins}


def interpolate(text: str, given: dict[str, str]) -> str:
    """As the engine does it for `${NAME:-default}` and `${NAME:?complaint}`."""
    return re.sub(r"\$\{([A-Z_]+):[-?]([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)

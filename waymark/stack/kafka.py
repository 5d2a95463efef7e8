"""Kafka's broker on this machine: how it is had, and one node of it (KRaft: broker and controller in one process).

Its version is pinned in `deploy/kafka/pom.xml`.
"""

import asyncio
import base64
import os
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from kafka.admin import KafkaAdminClient  # pyright: ignore[reportMissingTypeStubs] - kafka-python brings no types
from kafka.errors import KafkaError  # pyright: ignore[reportMissingTypeStubs] - as above

from waymark.stack import cache, had, process
from waymark.stack.parts import Launch, Listens, NotReady

POM = had.DEPLOY / "kafka" / "pom.xml"
LOGGING = had.DEPLOY / "kafka" / "log4j2.properties"
IMAGE = "apache/kafka"
JAVA = 17
TOPICS = ("hr.events", "lms.events", "waymark.outcomes", "waymark.dead-letters")
PARTITIONS = 4
JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True)
class Program:
    """Java with Kafka's libraries on this machine, or a container's."""

    java: tuple[str, ...]
    libraries: str
    in_container: bool = False


def version() -> str:
    """The version that `deploy/kafka/pom.xml` pins, as 4.1.0."""
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([0-9.]+)</version>", POM.read_text())
    assert found, "deploy/kafka/pom.xml depends on kafka_2.13"
    return found.group(1)


def take(say: had.Say) -> had.Had[Program]:
    """Have the broker in the first way that works; raises CannotHave with the reason of each."""
    ways: list[had.Way[Program]] = [
        had.Way("on PATH", _on_path),
        had.Way("in the cache", _in_cache),
        had.Way("downloaded", lambda: _downloaded(say)),
        had.Way("by Docker", lambda: _by_docker(say)),
        had.Way("from its published packages", lambda: _resolved(say)),
    ]
    return had.take("kafka", ways)


def _cached() -> Path:
    return cache.folder() / f"kafka-{version()}"


def is_cached() -> bool:
    """Whether the pinned version is in the user's cache."""
    return _cached().exists()


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise had.Unavailable(f"there is no java on PATH: install Java {JAVA} or later")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found.group(1)) < JAVA:
        raise had.Unavailable(f"{java} is too old: install Java {JAVA} or later")
    return java


def _on_path() -> Program:
    script = shutil.which("kafka-server-start.sh") or shutil.which("kafka-server-start")
    if script is None:
        raise had.Unavailable("there is no kafka-server-start.sh on PATH")
    libraries = Path(script).resolve().parents[1] / "libs"
    found = next(iter(libraries.glob("kafka_2.13-[4-9]*.jar")), None)
    if found is None:
        raise had.Unavailable(f"{libraries} has no Kafka 4")
    return Program((_java(),), str(libraries))


def _in_cache() -> Program:
    if not _cached().is_dir():
        raise had.Unavailable(f"{_cached()} is not there yet")
    return Program((_java(),), str(_cached() / "libs"))


def _downloaded(say: had.Say) -> Program:
    _java()
    name = f"kafka_2.13-{version()}"
    url = f"https://archive.apache.org/dist/kafka/{version()}/{name}.tgz"
    with had.making(_cached()) as folder:
        if folder is not None:
            had.fetch("kafka", url, into=folder, say=say)
            (folder / name / "libs").rename(folder / "libs")
            shutil.rmtree(folder / name)
    return _in_cache()


def _by_docker(say: had.Say) -> Program:
    image = f"{IMAGE}:{version()}"
    had.docker_image("kafka", image, say=say)
    return Program((*had.DOCKER_RUN, "--entrypoint", "java", image), "/opt/kafka/libs", in_container=True)


def _resolved(say: had.Say) -> Program:
    maven = shutil.which("mvn")
    if maven is None:
        raise had.Unavailable("there is no mvn on PATH: install Maven")
    _java()
    with had.making(_cached()) as folder:
        if folder is not None:
            say("kafka", f"fetching the packages of {version()}, about a minute, once", None)
            command = [maven, "--batch-mode", "--file", str(POM), "dependency:copy-dependencies"]
            options = [f"-DoutputDirectory={folder / 'libs'}", "-DincludeScope=runtime"]
            had.build("kafka", [*command, *options], folder=folder, steps=0, say=say)
    return _in_cache()


@dataclass(frozen=True)
class KafkaServer:
    """One broker, with the topics that Waymark needs."""

    program: Program
    port: int
    port_setting: str | None = None
    topics: tuple[str, ...] = TOPICS
    name: str = "kafka"
    ready_within_seconds: float = 90.0

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def ports(self) -> tuple[Listens, ...]:
        """The port that clients use; the controller's is taken anew each time."""
        return (Listens(self.port, self.port_setting),)

    @cached_property
    def _controller_port(self) -> int:
        return process.free_port()

    def prepare(self, folder: Path) -> Launch:
        """Write the configuration, and format the storage where it is new."""
        folder = folder.absolute()
        properties = folder / "server.properties"
        lines = self._properties(folder / "data")
        properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        if not (folder / "data" / "meta.properties").is_file():
            self._format(folder, properties)
        return Launch((*self._jvm(folder), "kafka.Kafka", str(properties)))

    def _properties(self, data: Path) -> dict[str, object]:
        controller = f"127.0.0.1:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": data,
            "auto.create.topics.enable": "false",
            "num.partitions": PARTITIONS,
            "group.initial.rebalance.delay.ms": 0,
            "offsets.topic.num.partitions": PARTITIONS,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": PARTITIONS,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": PARTITIONS,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "message.max.bytes": 8_388_608,
            "replica.fetch.max.bytes": 8_388_608,
        }

    def _jvm(self, folder: Path) -> tuple[str, ...]:
        container = had.mount(folder) if self.program.in_container else ()
        java = had.within_docker(self.program.java, container)
        logging = folder / LOGGING.name
        shutil.copyfile(LOGGING, logging)
        return (*java, *JVM, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{self.program.libraries}/*")

    def _format(self, folder: Path, properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # begins with no dash
        command = (*self._jvm(folder), "kafka.tools.StorageTool", "format", "--ignore-formatted")
        done = subprocess.run(
            [*command, "--cluster-id", cluster, "--config", str(properties)],
            capture_output=True,
            text=True,
            env=os.environ,
        )
        if done.returncode != 0:
            raise OSError(f"Kafka's storage could not be formatted: {(done.stdout + done.stderr).strip()[-500:]}")

    async def make_ready(self) -> None:
        """Ready when every topic is there with a leader, and was made if it was not."""
        await asyncio.to_thread(self._make_topics)

    def _make_topics(self) -> None:
        if not process.answers(self.port):
            raise NotReady(f"nothing listens on {self.address} yet")
        try:
            admin: Any = KafkaAdminClient(bootstrap_servers=self.address, client_id="waymark-up")
            try:
                missing = sorted(set(self.topics) - set(cast(list[str], admin.list_topics())))
                wanted = {topic: {"num_partitions": PARTITIONS, "replication_factor": 1} for topic in missing}
                if wanted:
                    admin.create_topics(wanted, timeout_ms=10_000, wait_for_metadata=True)
            finally:
                admin.close()
        except KafkaError as error:
            raise NotReady(f"{self.address} does not answer yet: {type(error).__name__} {error}") from error


def look(bootstrap: str) -> list[str]:
    """The topics of the broker there; raises NotReady with the reason."""
    try:
        options: dict[str, Any] = {"bootstrap_servers": bootstrap.split(","), "bootstrap_timeout_ms": 5_000}
        admin: Any = KafkaAdminClient(**options)
        try:
            return sorted(cast(list[str], admin.list_topics()))
        finally:
            admin.close()
    except (KafkaError, ValueError) as error:
        raise NotReady(f"{bootstrap}: {type(error).__name__} {error}") from error

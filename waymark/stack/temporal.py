"""Temporal's server on this machine: how it is had, and one process of it, tuned and able to skip time.

All four services run in one process on SQLite, in a file or in memory. `deploy/temporal/go.mod` pins its version.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from waymark.stack import cache, had, process
from waymark.stack.parts import Launch, Listens, NotReady

MODULE = had.DEPLOY / "temporal"
IMAGE = "temporalio/server"
RETENTION = timedelta(days=3)  # of ended workflows; what Waymark knows is in its store
FIRST_WITH_TIME_SKIPPING = (1, 32)

# One partition for each task queue: no task is forwarded between them on one machine. The limits are Temporal's
# protection of many tenants from each other; here they would only make a burst look slow.
DYNAMIC: dict[str, object] = {
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
    "frontend.WorkflowTimeSkippingEnabled": True,
    "frontend.rps": 100_000,
    "frontend.namespaceRPS": 100_000,
    "frontend.namespaceRPS.visibility": 10_000,
    "frontend.namespaceCount": 20_000,
    "frontend.persistenceMaxQPS": 100_000,
    "matching.rps": 100_000,
    "matching.persistenceMaxQPS": 100_000,
    "history.rps": 100_000,
    "history.persistenceMaxQPS": 100_000,
}


@dataclass(frozen=True)
class Program:
    """A Temporal server on this machine: a binary, or a container's."""

    command: tuple[str, ...]
    in_container: bool = False


def version() -> str:
    """The version that `deploy/temporal/go.mod` pins, as 1.32.1."""
    found = re.search(r"go\.temporal\.io/server v([0-9.]+)", (MODULE / "go.mod").read_text())
    assert found, "deploy/temporal/go.mod requires go.temporal.io/server"
    return found.group(1)


def take(say: had.Say) -> had.Had[Program]:
    """Have the server in the first way that works; raises CannotHave with the reason of each."""
    ways: list[had.Way[Program]] = [
        had.Way("on PATH", _on_path),
        had.Way("in the cache", _in_cache),
        had.Way("downloaded", lambda: _downloaded(say)),
        had.Way("by Docker", lambda: _by_docker(say)),
        had.Way("built from its published module", lambda: _built(say)),
    ]
    return had.take("temporal", ways)


def _cached() -> Path:
    return cache.folder() / f"temporal-{version()}" / "temporal-server"


def is_cached() -> bool:
    """Whether the pinned version is in the user's cache."""
    return _cached().exists()


def _on_path() -> Program:
    binary = shutil.which("temporal-server")
    if binary is None:
        raise had.Unavailable("there is no temporal-server on PATH")
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=20).stdout
    found = re.search(r"(\d+)\.(\d+)\.\d+", said)
    if found is None or (int(found.group(1)), int(found.group(2))) < FIRST_WITH_TIME_SKIPPING:
        raise had.Unavailable(f"{binary} says {said.strip()!r}, and cannot skip time: 1.32 or later can")
    return Program((binary,))


def _in_cache() -> Program:
    if not _cached().is_file():
        raise had.Unavailable(f"{_cached()} is not there yet")
    return Program((str(_cached()),))


def _downloaded(say: had.Say) -> Program:
    machine = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
    if machine is None or sys.platform not in {"linux", "darwin"}:
        raise had.Unavailable(f"there is no download for {sys.platform} on {platform.machine()}")
    name = f"temporal_{version()}_{sys.platform}_{machine}.tar.gz"
    url = f"https://github.com/temporalio/temporal/releases/download/v{version()}/{name}"
    with had.making(_cached().parent) as folder:
        if folder is not None:
            had.fetch("temporal", url, into=folder, say=say)
            if not (folder / "temporal-server").is_file():
                raise had.Unavailable(f"{url} holds no temporal-server")
    return _in_cache()


def _by_docker(say: had.Say) -> Program:
    image = f"{IMAGE}:{version()}"
    had.docker_image("temporal", image, say=say)
    return Program((*had.DOCKER_RUN, "--entrypoint", "temporal-server", image), in_container=True)


def _built(say: had.Say) -> Program:
    go = shutil.which("go")
    if go is None:
        raise had.Unavailable("there is no go on PATH: install Go 1.26.8 or later, https://go.dev/doc/install")
    package = "go.temporal.io/server/cmd/server"
    with had.making(_cached().parent) as folder:
        if folder is not None:
            say("temporal", f"building {version()} from its published module, 5 to 8 minutes, once", None)
            # what is in Go's own build cache already is not named again, so that the count may end early
            listed = subprocess.run([go, "list", "-deps", package], cwd=MODULE, capture_output=True, text=True)
            had.build(
                "temporal",
                [go, "build", "-v", "-o", str(folder / "temporal-server"), package],
                folder=MODULE,
                steps=len(listed.stdout.splitlines()),
                say=say,
            )
    return _in_cache()


@dataclass(frozen=True)
class TemporalServer:
    """One Temporal server; `in_memory` forgets all when it ends, `metrics_port` is where it tells what it has counted
    (nowhere, unless one asks for it: counting costs a little).
    """

    program: Program
    port: int
    namespace: str = "default"
    in_memory: bool = False
    metrics_port: int | None = None
    port_setting: str | None = None
    name: str = "temporal"
    ready_within_seconds: float = 90.0

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def ports(self) -> tuple[Listens, ...]:
        """The port that clients use; the others are taken anew each time."""
        clients = Listens(self.port, self.port_setting)
        return (clients,) if self.metrics_port is None else (clients, Listens(self.metrics_port))

    @cached_property
    def _inner_ports(self) -> list[int]:
        return process.free_ports(7)

    def prepare(self, folder: Path) -> Launch:
        """Write the configuration; the data lies beside it."""
        (folder / "config").mkdir(parents=True, exist_ok=True)
        dynamic = folder / "config" / "dynamic.yaml"
        settings = {name: [{"value": value}] for name, value in DYNAMIC.items()}
        dynamic.write_text(json.dumps(settings, indent=2))
        (folder / "config" / "start.yaml").write_text(json.dumps(self._configuration(folder, dynamic), indent=2))
        container = had.mount(folder) if self.program.in_container else ()
        command = had.within_docker(self.program.command, container)
        flags = ("--root", str(folder), "--config", "config", "--env", "start", "--allow-no-auth", "start")
        return Launch((*command, *flags), {"GOGC": "500"})

    def _configuration(self, folder: Path, dynamic: Path) -> dict[str, object]:
        """Temporal reads YAML, of which JSON is a part."""
        matching, history, worker, *members = self._inner_ports
        ports = {"frontend": self.port, "matching": matching, "history": history, "worker": worker}
        services = {
            name: {"rpc": {"grpcPort": port, "membershipPort": member, "bindOnLocalHost": True}}
            for (name, port), member in zip(ports.items(), members, strict=True)
        }
        return {
            "log": {"stdout": True, "level": "warn"},
            "persistence": {
                "defaultStore": "default",
                "visibilityStore": "visibility",
                "numHistoryShards": 1,
                "datastores": {"default": self._store(folder), "visibility": self._store(folder)},
            },
            "global": {
                "membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"},
                "pprof": {"port": 0},
                **self._metrics(),
            },
            "services": services,
            "clusterMetadata": {
                "enableGlobalNamespace": False,
                "failoverVersionIncrement": 10,
                "masterClusterName": "active",
                "currentClusterName": "active",
                "clusterInformation": {
                    "active": {
                        "enabled": True,
                        "initialFailoverVersion": 1,
                        "rpcName": "frontend",
                        "rpcAddress": self.address,
                    }
                },
            },
            "dcRedirectionPolicy": {"policy": "noop"},
            "dynamicConfigClient": {"filepath": str(dynamic), "pollInterval": "10s"},
        }

    def _metrics(self) -> dict[str, object]:
        if self.metrics_port is None:
            return {}
        # of the two frameworks the one that counts when it is asked, and not once in a while
        told = {"framework": "opentelemetry", "listenAddress": f"127.0.0.1:{self.metrics_port}"}
        return {"metrics": {"prometheus": told}}

    def _store(self, folder: Path) -> dict[str, object]:
        # synchronous 1: a killed process loses nothing, and after a power cut the sweeper repairs what Temporal lost
        in_file = {"setup": True, "mode": "rwc", "journal_mode": "wal", "synchronous": 1}
        return {
            "sql": {
                "pluginName": "sqlite",
                "databaseName": "default" if self.in_memory else str(folder / "temporal.db"),
                "connectAddr": "localhost",
                "connectProtocol": "tcp",
                "connectAttributes": {"mode": "memory", "cache": "private"} if self.in_memory else in_file,
                "maxConns": 1,
                "maxIdleConns": 1,
                "maxConnLifetime": "1h",
            }
        }

    async def make_ready(self) -> None:
        """Ready when the namespace is there, and was made if it was not."""
        try:
            client = await Client.connect(self.address)
            await _register(client, self.namespace)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=self.namespace))
            await client.count_workflows()
        except (RPCError, RuntimeError) as error:
            raise NotReady(f"{self.address} does not answer yet: {error}") from error


async def _register(client: Client, namespace: str) -> None:
    request = RegisterNamespaceRequest(
        namespace=namespace,
        workflow_execution_retention_period=Duration(seconds=int(RETENTION.total_seconds())),
    )
    try:
        await client.workflow_service.register_namespace(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


async def look(address: str, namespace: str) -> None:
    """Whether a Temporal server answers there and has the namespace; raises NotReady with the reason."""
    try:
        client = await Client.connect(address, namespace=namespace)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except (RPCError, RuntimeError) as error:
        raise NotReady(f"{address}: {error}") from error

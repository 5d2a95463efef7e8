"""Our own processes as parts of the stack: the mailbox, the imitation of a model, the API, the worker, the bridge."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from waymark.demo.writer import KEY, MODEL
from waymark.stack import process
from waymark.stack.parts import Launch, Listens, NotReady


@dataclass(frozen=True)
class Mailbox:
    """The mailbox as a part of the stack."""

    smtp_port: int
    page_port: int
    name: str = "mailbox"
    ready_within_seconds: float = 60.0

    @property
    def address(self) -> str:
        """The page, for people."""
        return f"http://127.0.0.1:{self.page_port}"

    @property
    def smtp_url(self) -> str:
        """Where mail is taken."""
        return f"smtp://127.0.0.1:{self.smtp_port}"

    @property
    def ports(self) -> tuple[Listens, ...]:
        """Both ports."""
        return (
            Listens(self.page_port, "WAYMARK_MAILBOX_PORT"),
            Listens(self.smtp_port, "WAYMARK_MAILBOX_SMTP_PORT"),
        )

    def prepare(self, folder: Path) -> Launch:
        """Mail is kept in `mail` of the folder."""
        ports = ("--smtp-port", str(self.smtp_port), "--page-port", str(self.page_port))
        return Launch((sys.executable, "-m", "waymark.stack.mailbox", *ports, "--folder", str(folder / "mail")))

    async def make_ready(self) -> None:
        """Ready when both ports answer."""
        for port in (self.smtp_port, self.page_port):
            if not await asyncio.to_thread(process.answers, port):
                raise NotReady(f"nothing listens on port {port} yet")


@dataclass(frozen=True)
class Imitation:
    """The imitation of a language model's server as a part of the stack."""

    port: int
    name: str = "writer"
    ready_within_seconds: float = 60.0

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings that lead to it, by field."""
        return {"openai_api_key": KEY, "openai_base_url": self.address, "writer_model": MODEL}

    @property
    def ports(self) -> tuple[Listens, ...]:
        """Where it listens."""
        return (Listens(self.port),)

    def prepare(self, folder: Path) -> Launch:  # noqa: ARG002 - it keeps nothing there
        """`python -m waymark.demo.writer`."""
        return Launch((sys.executable, "-m", "waymark.demo.writer", "--port", str(self.port)))

    async def make_ready(self) -> None:
        """Ready when it listens."""
        if not await asyncio.to_thread(process.answers, self.port):
            raise NotReady(f"nothing listens on port {self.port} yet")


@dataclass(frozen=True)
class Api:
    """`waymark api`; ready when `/readyz` says so."""

    host: str
    port: int
    url: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = "api"
    ready_within_seconds: float = 90.0

    @property
    def address(self) -> str:
        """Where it is found from this machine."""
        return self.url

    @property
    def ports(self) -> tuple[Listens, ...]:
        """Where it listens."""
        return (Listens(self.port, "WAYMARK_HTTP_ADDRESS", self.host),)

    def prepare(self, folder: Path) -> Launch:  # noqa: ARG002 - it keeps nothing there
        """`python -m waymark api`."""
        return Launch((sys.executable, "-m", "waymark", "api"), self.environment)

    async def make_ready(self) -> None:
        """Ready when every dependency is, as it says itself."""
        await look_at_api(self.url)


async def look_at_api(url: str) -> None:
    """Whether an API is ready there; raises NotReady with the reason."""
    try:
        async with httpx2.AsyncClient(timeout=5.0) as client:
            answer = await client.get(f"{url}/readyz")
    except httpx2.HTTPError as error:
        raise NotReady(f"{url} does not answer: {type(error).__name__}") from error
    if answer.status_code != 200:
        raise NotReady(f"{url}/readyz answers {answer.status_code}: {answer.text[:300]}")


@dataclass(frozen=True)
class Background:
    """`waymark worker` or `waymark bridge`; ready when it has touched its file."""

    name: str
    ready_file: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    ready_within_seconds: float = 90.0
    address: str = "-"
    ports: tuple[Listens, ...] = ()

    def prepare(self, folder: Path) -> Launch:  # noqa: ARG002 - it keeps nothing there
        """`python -m waymark worker`, told where to say that it is ready."""
        self.ready_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ready_file.unlink(missing_ok=True)
        environment = {**self.environment, "WAYMARK_READY_FILE": str(self.ready_file)}
        return Launch((sys.executable, "-m", "waymark", self.name), environment)

    async def make_ready(self) -> None:
        """Ready when the file is there."""
        if not await asyncio.to_thread(self.ready_file.exists):
            raise NotReady(f"it has not touched {self.ready_file}")

"""The calls into Temporal: connecting, poking enrolments, and having texts drafted.

A poke is a signal-with-start: it wakes the enrolment's workflow, or starts it where Temporal has none. It carries
nothing. Poking is safe to repeat, in any order; what it is about stands in the store.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from temporalio.api.common.v1 import Payloads, WorkflowType
from temporalio.api.enums.v1 import WorkflowIdReusePolicy
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.envconfig import ClientConfig
from temporalio.service import GrpcCompression, RPCError, RPCStatusCode

from workflows.contracts import DRAFTING_WORKFLOW, ENROLMENT_WORKFLOW, POKE, Drafting, Living, Queues

CONCURRENCY = 32
"""Pokes under way at once."""

_LATER = {
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.ABORTED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.UNKNOWN,
}


class TryLater(Exception):
    """Temporal is busy or away: wait `after` before the next batch. What was not poked is the sweeper's."""

    def __init__(self, after: timedelta, status: str) -> None:
        super().__init__(f"Temporal answered {status}; wait {after.total_seconds():g} s before the next batch")
        self.after = after


@dataclass(frozen=True)
class Refusal:
    """A poke that Temporal will not take, with its status: an alarm, and the sweeper's. `enrolment` is whom it was for
    (a draft, where one was to be written).
    """

    enrolment: str
    status: str


class NoAddress(Exception):
    """Neither an argument nor Temporal's own environment configuration says where the server is."""


async def connect(address: str | None, *, namespace: str | None = None) -> Client:
    """Connect to the server at `address`, or where Temporal's own environment configuration says.

    Raises RuntimeError where no server answers, NoAddress where nobody says where it is.
    """
    config = ClientConfig.load_client_connect_config()
    if address is not None:
        config["target_host"] = address
    if namespace is not None:
        config["namespace"] = namespace
    host = config.get("target_host")
    if not host:
        raise NoAddress
    is_local = host.startswith(("127.", "localhost", "[::1]"))
    return await Client.connect(**config, grpc_compression=GrpcCompression.NONE if is_local else GrpcCompression.GZIP)


class Gateway:
    """Pokes, at most `concurrency` at once; has texts drafted, unless nobody here can (`has_writer`)."""

    def __init__(
        self, client: Client, *, queues: Queues = Queues(), concurrency: int = CONCURRENCY, has_writer: bool = True
    ) -> None:
        self._client = client
        self._queue = queues.turns
        self._queues = queues
        self._has_writer = has_writer
        self._places = asyncio.Semaphore(concurrency)

    @property
    def client(self) -> Client:
        """The connection, for who needs more than a poke."""
        return self._client

    async def poke(self, enrolments: Sequence[str]) -> Sequence[Refusal]:
        """Poke them all; answers which were refused. Raises TryLater where the server wants a pause."""
        answers = await asyncio.gather(*(self._poke(enrolment) for enrolment in enrolments), return_exceptions=True)
        return _refusals(enrolments, answers)

    async def draft(self, drafts: Sequence[str]) -> Sequence[Refusal]:
        """Have these texts drafted, where nobody does so already; answers which were refused. Raises TryLater where the
        server wants a pause. Safe to repeat: what a text still lacks stands in the store. Without a writer nothing is
        started: they stay wanted.
        """
        if not self._has_writer:
            return ()
        answers = await asyncio.gather(*(self._draft(draft) for draft in drafts), return_exceptions=True)
        return _refusals(drafts, answers)

    async def _draft(self, draft: str) -> None:
        async with self._places:
            await self._client.start_workflow(
                DRAFTING_WORKFLOW, Drafting(draft), id=self._queues.drafting_id(draft), task_queue=self._queues.writers,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE, rpc_timeout=timedelta(seconds=10),
            )  # fmt: skip

    async def _poke(self, enrolment: str) -> None:
        async with self._places:
            await self._client.workflow_service.signal_with_start_workflow_execution(
                await self._request(enrolment), retry=True, timeout=timedelta(seconds=10)
            )

    async def _request(self, enrolment: str) -> SignalWithStartWorkflowExecutionRequest:
        payloads = await self._client.data_converter.encode([Living(enrolment)])
        return SignalWithStartWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_id=enrolment,
            workflow_type=WorkflowType(name=ENROLMENT_WORKFLOW),
            task_queue=TaskQueue(name=self._queue),
            input=Payloads(payloads=payloads),
            signal_name=POKE,
            request_id=uuid4().hex,
            identity=self._client.identity,
            workflow_id_reuse_policy=WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
        )


def _refusals(subjects: Sequence[str], answers: Sequence[object]) -> Sequence[Refusal]:
    """What was refused; raises TryLater where one was refused for now, and whatever else went wrong."""
    refusals: list[Refusal] = []
    for subject, answer in zip(subjects, answers, strict=True):
        if isinstance(answer, RPCError):
            if answer.status in _LATER:
                raise TryLater(timedelta(seconds=1), answer.status.name) from answer
            refusals.append(Refusal(subject, answer.status.name))
        elif isinstance(answer, BaseException):
            raise answer
    return refusals

"""One enrolment, alive from entry to outcome: take a turn, run the retries it asks for, wait, again.

It knows no person, evaluates nothing and decides nothing; all state is in the store. Imports the standard library,
temporalio and its own contracts, nothing else. A change here must replay `tests/golden/histories`.
"""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():  # the sandbox's own datetime would not be the converter's
    from workflows.contracts import (
        ENROLMENT_WORKFLOW,
        RETRY_DELIVERY,
        TAKE_TURN,
        Ended,
        Living,
        RetryEnded,
        RetryOrder,
        TurnOrder,
        TurnTaken,
    )

LONG_HISTORY = 2_000
"""Events after which a run continues as new, so that a cold wake-up replays little."""

_EVEN_WHEN_POKED = "continue-as-new-even-when-poked"
"""Before this change, a run that only pokes woke went on as it was, up to the server's limit of a history."""

_TURN_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=2), maximum_attempts=4
)
_DELIVERY_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5), backoff_coefficient=2.0, maximum_interval=timedelta(minutes=10)
)


@workflow.defn(name=ENROLMENT_WORKFLOW)
class EnrolmentWorkflow:
    """Carries one enrolment."""

    def __init__(self) -> None:
        self._poked = False
        self._failures = 0
        self._retrying: dict[str, asyncio.Task[None]] = {}

    @workflow.signal
    def poke(self) -> None:
        """Something happened: the store says what."""
        self._poked = True

    @workflow.run
    async def run(self, living: Living) -> Ended:
        """Go on until the enrolment has an outcome and nothing is being tried any more."""
        while True:
            self._poked = False
            turn = await self._take_turn(living.enrolment)
            for order in turn.retries:
                self._retry(order)
            if turn.outcome is not None and not self._retrying:
                return Ended(turn.outcome)
            await self._wait(turn)
            if self._may_continue_as_new():
                workflow.continue_as_new(living)

    async def _take_turn(self, enrolment: str) -> TurnTaken:
        """One turn; where it fails (the database is gone), wait longer each time and let the loop try again."""
        order = TurnOrder(enrolment, workflow.now())
        try:
            turn = await workflow.execute_local_activity(
                TAKE_TURN, order, result_type=TurnTaken, retry_policy=_TURN_RETRY,
                start_to_close_timeout=timedelta(minutes=3),
            )  # fmt: skip
        except FailureError as error:  # a local activity's own failure, which is wrapped in no ActivityError
            if is_cancelled_exception(error):
                raise
            self._failures = min(self._failures + 1, 6)
            return TurnTaken(due_at=workflow.now() + timedelta(seconds=2**self._failures))
        self._failures = 0
        return turn

    async def _wait(self, turn: TurnTaken) -> None:
        timeout = None if turn.due_at is None else turn.due_at - workflow.now()
        if timeout is not None and timeout <= timedelta():
            return
        try:
            await workflow.wait_condition(lambda: self._poked, timeout=timeout)
        except TimeoutError:
            return

    def _retry(self, order: RetryOrder) -> None:
        if order.delivery not in self._retrying:
            self._retrying[order.delivery] = asyncio.create_task(self._run_retry(order))

    async def _run_retry(self, order: RetryOrder) -> None:
        try:
            await workflow.execute_activity(
                RETRY_DELIVERY, order, result_type=RetryEnded, task_queue=order.queue, retry_policy=_DELIVERY_RETRY,
                start_to_close_timeout=timedelta(seconds=order.limit_seconds),
            )  # fmt: skip
        except ActivityError:
            workflow.logger.warning(
                "a retry failed for good; the next turn decides", extra={"delivery": order.delivery}
            )
        finally:
            del self._retrying[order.delivery]
            self._poked = True

    def _may_continue_as_new(self) -> bool:
        """A poke is not lost by it: the new run begins with a turn, and the store says what happened."""
        if self._retrying or workflow.info().get_current_history_length() <= LONG_HISTORY:
            return False
        return not self._poked or workflow.patched(_EVEN_WHEN_POKED)

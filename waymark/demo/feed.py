"""What the HR system and the LMS would do: put their events on Kafka."""

import asyncio
import json
from itertools import count

from journeys.events import Event
from store.queries.outbox import Outgoing
from waymark.cli.errors import Unreachable
from waymark.cli.events import topic_of
from waymark.demo.story import BROKEN, cloud_event
from workers.kafka import Passing, Producer


class Feed:
    """Events into `hr.events` and `lms.events`, keyed by learner."""

    def __init__(self, bootstrap: str) -> None:
        try:
            self._producer = Producer(bootstrap)
        except Passing as error:
            raise Unreachable(f"the demo's Kafka at {bootstrap} does not answer: {error}") from None
        self._numbers = count(1)
        self._lock = asyncio.Lock()
        self.sent = 0
        """Events that were put; the broken record is none."""

    async def put(self, event: Event) -> None:
        """Put one event on its topic; it is there when this returns."""
        await self._send(topic_of(event.type), event.subject or "", json.dumps(cloud_event(event)))
        self.sent += 1

    async def put_broken(self) -> None:
        """Put a record that is no valid event."""
        await self._send("hr.events", "", BROKEN)

    async def _send(self, topic: str, key: str, payload: str) -> None:
        record = Outgoing(next(self._numbers), topic, key, payload)
        async with self._lock:
            taken = await asyncio.to_thread(self._producer.send, [record])
        if taken != 1:
            raise Unreachable("the demo's Kafka takes no more events: see its log in the demo's home")

    def close(self) -> None:
        """Let the producer go."""
        self._producer.close()

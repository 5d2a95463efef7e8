"""Topics of a test's own, on the broker that the tests share, and what a bridge makes of their records."""

import uuid
from collections.abc import Sequence
from typing import Any

from kafka.admin import KafkaAdminClient

from connectors.sources import Raw
from connectors.sources.cloudevents import CloudEvents
from workers.records import Incoming, Record, incoming_of


def new_topic(bootstrap: str, *, partitions: int) -> str:
    """The name of a topic that nobody else has, and that the broker tells of."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    admin: Any = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)
    admin.close()
    return name


def translate(record: Record) -> Sequence[Incoming]:
    """As the translator of CloudEvents says, whatever the topic is called."""
    raw = Raw(record.value, dict(record.headers), "kafka")
    return [incoming_of(one, record=record) for one in CloudEvents.translate(raw)]

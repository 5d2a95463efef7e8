"""The floor of taking events in: kafka-python reads the records of a topic and their JSON is decoded, nothing else.

    python -m bench.consuming --bootstrap 127.0.0.1:9092 --topic hr.events --file read.txt --number 20000

A process of its own, as the bridge is, with batches of the bridge's size; it reads from the topic's beginning. Each
line of the file is one batch: when it was decoded, and how many records have been by then.
"""

import argparse
import importlib.util
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from kafka import KafkaConsumer


def consume(bootstrap: str, topic: str, file: Path, *, number: int) -> None:
    """Until so many records have been read."""
    consumer: Any = KafkaConsumer(
        topic, bootstrap_servers=bootstrap.split(","), group_id=uuid4().hex, enable_auto_commit=False,
        auto_offset_reset="earliest", max_poll_records=500, check_crcs=importlib.util.find_spec("crc32c") is not None,
    )  # fmt: skip
    read = 0
    with file.open("w") as out:
        while read < number:
            found = consumer.poll(timeout_ms=500)
            for record in (record for records in found.values() for record in records):
                assert orjson.loads(record.value)["id"]
                read += 1
            out.write(f"{time.time():.6f} {read}\n")
    consumer.close(autocommit=False)


def main() -> None:
    """Read the arguments, and consume."""
    parser = argparse.ArgumentParser(description="Reads the records of a topic, and decodes their JSON.")
    parser.add_argument("--bootstrap", required=True, help="host:port of Kafka")
    parser.add_argument("--topic", required=True, help="what is read, from its beginning")
    parser.add_argument("--file", type=Path, required=True, help="where it is written how far it was, and when")
    parser.add_argument("--number", type=int, required=True, help="how many records are read")
    given = parser.parse_args()
    consume(given.bootstrap, given.topic, given.file, number=given.number)


if __name__ == "__main__":
    main()

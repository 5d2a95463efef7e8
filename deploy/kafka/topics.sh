#!/bin/sh
# Make Waymark's topics, four partitions each, where they are not there yet.
set -eu
for topic in hr.events lms.events waymark.outcomes waymark.dead-letters; do
  /opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka:9092 --create --if-not-exists \
    --topic "$topic" --partitions 4 --replication-factor 1
done

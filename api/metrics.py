"""Figures for Prometheus. Labels name journeys, channels, routes and statuses; never a learner, never a value."""

from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram

from store.queries.reports import Standing

REQUESTS = Counter("waymark_http_requests", "Requests by route and status", ["method", "route", "status"])
SECONDS = Histogram("waymark_http_request_seconds", "Seconds to answer a request", ["method", "route"])

ENROLMENTS = Gauge("waymark_enrolments", "Enrolments by journey and status", ["journey", "status"])
DELIVERIES = Gauge("waymark_deliveries", "Deliveries by channel and status", ["channel", "status"])
DEAD_LETTERS = Gauge("waymark_dead_letters", "Records that could not be used and wait for an operator")
UNKNOWN_TYPES = Gauge("waymark_events_of_unknown_type", "Events that were logged and whose type nobody knew")
UNRELAYED = Gauge("waymark_outbox_rows", "Records that have not been produced to our topics yet")
WAKE_WANTED = Gauge("waymark_wake_wanted", "Enrolments that want waking")
WAKE_WANTED_SECONDS = Gauge("waymark_wake_wanted_oldest_seconds", "Since when the oldest of them has wanted waking")


def show(standing: Standing, *, now: datetime) -> None:
    """Set the figures of the store."""
    forget()
    for journey, status, number in standing.enrolments:
        ENROLMENTS.labels(journey, status).set(number)
    for channel, status, number in standing.deliveries:
        DELIVERIES.labels(channel, status).set(number)
    DEAD_LETTERS.set(standing.dead_letters)
    UNKNOWN_TYPES.set(standing.unknown_types)
    UNRELAYED.set(standing.unrelayed)
    WAKE_WANTED.set(standing.wake_wanted)
    oldest = standing.oldest_wake_wanted_at
    WAKE_WANTED_SECONDS.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))


def forget() -> None:
    """Leave out what is no longer known."""
    ENROLMENTS.clear()
    DELIVERIES.clear()

"""Prometheus metrics of a process; modules declare their own beside what they measure."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUESTS = Counter("zhenjian_http_requests_total", "HTTP requests", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "zhenjian_http_request_seconds", "Time to answer an HTTP request", ["method", "route"]
)
OUTBOX_PENDING = Gauge("zhenjian_outbox_pending", "Reactions that wait for their turn")
OUTBOX_PARKED = Gauge("zhenjian_outbox_parked", "Reactions that gave up and wait for a person")


def exposition() -> tuple[bytes, str]:
    """The metrics text and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
